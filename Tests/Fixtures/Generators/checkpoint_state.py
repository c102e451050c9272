# SPDX-License-Identifier: Apache-2.0
"""Writes ../checkpoint_state.json: a checkpoint's state.bin, built by hashlib from its description.

Run:  python3 checkpoint_state.py      (standard library only)
"""

import hashlib
import json
import pathlib
import platform
import struct


def main() -> None:
    step, state_hash = 1200, bytes(range(32))
    snapshot = bytes(i * 7 % 251 for i in range(100))
    header = b"ACCORDCP" + struct.pack("<IQQ", 1, step, len(snapshot)) + state_hash
    content = header + hashlib.sha256(header + snapshot).digest() + snapshot
    result = {"generator": f"checkpoint_state.py, Python {platform.python_version()}", "step": step,
              "stateHash": list(state_hash), "snapshot": list(snapshot), "file": list(content)}
    path = pathlib.Path(__file__).parent.parent / "checkpoint_state.json"
    path.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
