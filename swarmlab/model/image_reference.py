"""Image references: parsed and normalised as Docker does, and written as Docker shows them.

Source: distribution/reference normalize.go, regexp.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from swarmlab.errors import BadParameter

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REFERENCE = re.compile(
    rf"(?P<domain>{_HOST}(?:\.{_HOST})*(?::[0-9]+)?)/(?P<path>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>[A-Za-z][\w+.-]*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A normalised reference: `nginx` is tag `latest` of `library/nginx` at `docker.io`."""

    domain: str
    path: str
    tag: str  # empty with a digest, unless both were given
    digest: str

    @classmethod
    @lru_cache(maxsize=1024)
    def parse(cls, text: str) -> ImageReference:
        """Source: distribution/reference normalize.go, ParseNormalizedNamed and TagNameOnly."""
        if re.fullmatch(r"[0-9a-f]{64}", text):
            reason = "cannot specify 64-byte hexadecimal strings"
            raise BadParameter(f"invalid repository name ({text}), {reason}")
        domain, slash, rest = text.partition("/")
        is_host = re.search(r"[.:]|^localhost$", domain) or domain.lower() != domain
        if not slash or not is_host:
            domain, rest = "docker.io", text
        elif domain == "index.docker.io":
            domain = "docker.io"
        if domain == "docker.io" and "/" not in rest:
            rest = f"library/{rest}"
        path = rest.partition(":")[0]
        if path != path.lower():
            reason = f"repository name ({path}) must be lowercase"
            raise BadParameter(f"invalid reference format: {reason}")
        match = _REFERENCE.fullmatch(f"{domain}/{rest}")
        if match is None:
            raise BadParameter("invalid reference format")
        tag, digest = match["tag"] or "", match["digest"] or ""
        return cls(match["domain"], match["path"], tag or ("" if digest else "latest"), digest)

    @property
    def repository(self) -> str:
        """The name without tag and digest, as Docker shows it: `nginx`, `host:5000/a`."""
        if self.domain == "docker.io":
            return self.path.removeprefix("library/")
        return f"{self.domain}/{self.path}"

    @property
    def familiar(self) -> str:
        """As Docker shows it: `nginx:latest`."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


def listed_name(image: str) -> str:
    """A tagged image as `docker service ls` shows it: without digest and `docker.io/library/`.

    Source: docker/cli cli/command/service/formatter.go, Image.
    """
    name = image.partition("@")[0]
    tagged = ":" in name.rpartition("/")[2]
    return name.removeprefix("docker.io/").removeprefix("library/") if tagged else image
