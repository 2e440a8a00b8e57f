"""Names of platforms, such as `linux/amd64`, in requests for images and containers.

Source: containerd platforms/{platforms,database}.go.
"""

from __future__ import annotations

import re

from swarmlab.errors import BadParameter, NoSuchObject

MACHINE = "linux/amd64"  # all machines are alike
SYSTEMS = (
    *("aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux"),
    *("nacl", "netbsd", "openbsd", "plan9", "solaris", "windows", "zos"),
)
ARCHITECTURES = (
    *("386", "amd64", "amd64p32", "arm", "armbe", "arm64", "arm64be", "loong64", "mips", "mipsle"),
    *("mips64", "mips64le", "mips64p32", "mips64p32le", "ppc", "ppc64", "ppc64le", "riscv"),
    *("riscv64", "s390", "s390x", "sparc", "sparc64", "wasm"),
)
OTHER_NAMES = {
    **{"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "macos": "darwin"},
    **{"armhf": "arm/v7", "armel": "arm/v6"},
}


def parse(text: str) -> str:
    """Its full name: `linux`, `amd64` and `x86_64` alone are `linux/amd64`, as is no name."""
    words = text.lower().split("/") if text else [MACHINE]
    for word in text.split("/") if text else ():
        if not re.fullmatch("[A-Za-z0-9_-]+", word):
            why = 'platform specifier component must match "^[A-Za-z0-9_-]+$": invalid argument'
            raise BadParameter(f'"{word}" is an invalid component of "{text}": {why}')
    words = [OTHER_NAMES.get(word, word) for word in words]
    if len(words) > 3:
        raise BadParameter(f'"{text}": cannot parse platform specifier: invalid argument')
    if len(words) > 1 or not text:
        return "/".join(words).replace("arm64/v8", "arm64")
    if words[0] in SYSTEMS:
        return f"{words[0]}/amd64"
    if words[0].partition("/")[0] in ARCHITECTURES:
        return f"linux/{words[0]}"
    raise BadParameter(f'"{text}": unknown operating system or architecture: invalid argument')


def runs(wanted: str, offered: str) -> bool:
    """Whether an image for one platform serves another; its variant may be a newer one."""
    return f"{wanted}/".startswith(f"{offered}/")


def check_machine(wanted: str, image: str) -> None:
    """Refuse a container of an image for another kind of machine."""
    if not runs(wanted, MACHINE):
        why = "was found but does not match the specified platform"
        raise NoSuchObject(
            f"image with reference {image} {why}: wanted {wanted}, actual: {MACHINE}"
        )
