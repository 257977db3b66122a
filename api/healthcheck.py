"""For containers: `python -m api.healthcheck` ends with 0 when the edge on API_PORT of this machine answers.

Any answer but a failure will do: with `AUTH_MODE=strict` it is that a key is missing.
"""

from __future__ import annotations

import http.client
import os
import sys

DEADLINE_S = 2.0


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not answers(int(os.environ.get("API_PORT") or 8000)))
