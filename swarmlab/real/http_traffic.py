"""Real HTTP requests to a published port, a bounded number: the real side of `cluster.traffic`."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass

from swarmlab.errors import LabError
from swarmlab.strings import _
from swarmlab.views.html import ShownAs, Table

RATE_MAX, SECONDS = 50, 5  # no more than this is ever sent at once
TIMEOUT_S, SLOW_S = 1.0, 0.5


@dataclass(frozen=True, repr=False)
class HttpRequests(ShownAs):
    """What became of the requests that were sent.

    `cluster.traffic("web").failed`. Lesson: 12_rolling_updates.
    """

    service: str
    where: str
    served: int
    failed: int
    slow: int

    @property
    def shown_as(self) -> Table:
        title = _("Requests to {service}", service=self.service)
        headers = (_("sent to"), _("served"), _("failed"), _("slow"))
        row = (self.where, str(self.served), str(self.failed), str(self.slow))
        return Table(title, headers, (row,))


def send(service: str, host: str, port: int, rate: int) -> HttpRequests:
    """`rate` requests a second for some seconds; LabError when nothing takes a connection."""
    if not 0 < rate <= RATE_MAX:
        raise LabError(
            "rate={rate}: on real engines 1 to {most} requests a second", rate=rate, most=RATE_MAX
        )
    where, served, slow = f"{host}:{port}", 0, 0
    if _seconds(host, port) is None and _seconds(host, port) is None:
        raise LabError(
            "no answer from {where}: nothing serves HTTP there, this machine has no way to it,"
            " or the node's kernel has no IPVS, without which published ports carry no traffic",
            where=where,
        )
    start_s, total = time.monotonic(), rate * SECONDS
    for number in range(total):
        time.sleep(max(0.0, start_s + number / rate - time.monotonic()))
        took_s = _seconds(host, port)
        served += took_s is not None
        slow += took_s is not None and took_s > SLOW_S
    return HttpRequests(service, where, served, total - served, slow)


def _seconds(host: str, port: int) -> float | None:
    """How long one request took; None when it was not answered, or with a server's error."""
    start_s = time.monotonic()
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return time.monotonic() - start_s if status < 500 else None
