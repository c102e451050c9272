# SPDX-License-Identifier: Apache-2.0
"""Writes ../clip_fingerprint.json: annotations, video sizes and their SHA-256 by hashlib.

Run:  python3 clip_fingerprint.py      (standard library only)
Per clip: id, title, asr (each a little-endian UInt32 byte count and UTF-8), UInt32 count of OCR
texts and each of them, category ("" if none), UInt64 size of the video file.
"""

import hashlib
import json
import pathlib
import platform
import struct


def text(value: str) -> bytes:
    data = value.encode("utf-8")
    return struct.pack("<I", len(data)) + data


def main() -> None:
    annotations = [
        {"id": "14567890123456789012", "title": "红烧肉 👩‍🍳", "asr": "今天", "category_id": "1203",
         "ocr": [{"time": 0, "text": "第一步"}, {"time": 1500, "text": ""},
                 {"time": 3000, "text": "e\u0301"}]},
        {"id": "77", "title": None, "asr": "", "ocr": None},
        {"id": "00000000000000000345"},
        {"id": "9001", "title": "", "ocr": [None, {"time": 1}, {"time": 2, "text": None}],
         "unknown": 1},
    ]
    sizes = [10, 0, 3, 70000]
    hasher = hashlib.sha256()
    for annotation, size in zip(annotations, sizes):
        entries = annotation.get("ocr") or []
        ocr = [entry["text"] for entry in entries if entry and entry.get("text")]
        for field in ("id", "title", "asr"):
            hasher.update(text(annotation.get(field) or ""))
        hasher.update(struct.pack("<I", len(ocr)) + b"".join(text(entry) for entry in ocr))
        hasher.update(text(annotation.get("category_id") or "") + struct.pack("<Q", size))
    result = {"generator": f"clip_fingerprint.py, Python {platform.python_version()}",
              "annotations": annotations, "videoBytes": sizes, "fingerprint": hasher.hexdigest()}
    path = pathlib.Path(__file__).parent.parent / "clip_fingerprint.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
