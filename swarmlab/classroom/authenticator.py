"""Who may enter: those who know the class code, under a name and with a password of their own."""

from __future__ import annotations

import hmac
import os
import re
from pathlib import Path
from typing import Any

from firstuseauthenticator import FirstUseAuthenticator
from tornado.web import HTTPError

from swarmlab.strings import _


class ClassAuthenticator(FirstUseAuthenticator):  # type: ignore[misc]  # it has no types
    """The first who enters under a name chooses its password; the code comes first.

    An instructor's name needs another code, so that no attendee takes it first. The codes are read
    at each login and kept nowhere else. Their field is JupyterHub's own for one-time passwords.
    """

    request_otp = True

    async def authenticate(self, handler: Any, data: dict[str, str]) -> str:
        name = self.normalize_username(data["username"])
        refused = self.refusal(name, data["password"], data.get("otp", ""))
        if refused or await super().authenticate(handler, data) is None:
            raise HTTPError(403, refused or _("{name} has another password.", name=name))
        return str(name)

    def get_handlers(self, app: Any) -> list[Any]:
        """JupyterHub's own login page, which shows why a login was refused."""
        return [pair for pair in super().get_handlers(app) if pair[0] != "/login"]

    def refusal(self, name: str, password: str, code: str) -> str:
        """Why a login is refused; empty when that depends on who chose the name first."""
        folder = os.environ.get("CLASS_SECRETS", "/run/secrets")
        file = Path(folder, "instructor_code" if name in self.admin_users else "class_code")
        right = file.read_text("utf-8").strip()
        if not hmac.compare_digest(code.strip().encode(), right.encode()):
            return _("This is not the class code. Your instructor has it.")
        # A folder, a volume and a service are named after it, too.
        if not re.fullmatch(r"\w[\w-]{0,31}", name):
            return _("A name has letters, digits, - and _, and no more than 32 of them.")
        if not 7 <= len(password.encode()) <= 72:  # bcrypt reads no more
            return _("Choose a password of 7 to 72 characters.")
        return ""
