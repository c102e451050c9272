# SPDX-License-Identifier: Apache-2.0
"""Writes clip_frames.mp4 and clip_frames.json: a clip and the brightness of its sampled frames.

The clip is encoded with B-frames and several key frames, and read again in order of time, frame by
frame, by the libav that PyAV 18.1.0 brings along. Run: python3 clip_frames.py, in this folder.
"""
import json

import av
import numpy

WIDTH, HEIGHT, FRAME_COUNT, RATE = 64, 48, 50, 10
SAMPLE_COUNT = 7


def picture(index):
    """A grey level that names the frame, under a bar that moves, on a colour ramp."""
    y, x = numpy.mgrid[0:HEIGHT, 0:WIDTH]
    red = 60 + 3 * index + 0 * x
    green = 60 + 2 * index + x // 2
    blue = 140 - index + y
    image = numpy.stack([red, green, blue], axis=-1).astype(numpy.uint8)
    image[20:28, (index * 5) % WIDTH :][:, :8] = 200
    return image


def encode(path):
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "18", "g": "16", "bf": "3", "x264-params": "scenecut=0"}
        stream.codec_context.thread_count = 1
        for index in range(FRAME_COUNT):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def brightness(path):
    with av.open(path) as container:
        frames = [f.to_ndarray()[:HEIGHT] for f in container.decode(video=0)]
    assert len(frames) == FRAME_COUNT
    kinds = {p.is_keyframe for p in av.open(path).demux(video=0)}
    assert kinds == {True, False}
    # The frame shown in the middle of each of SAMPLE_COUNT equal parts; the centre square of it.
    chosen = [(2 * i + 1) * FRAME_COUNT // (2 * SAMPLE_COUNT) for i in range(SAMPLE_COUNT)]
    left = (WIDTH - HEIGHT) // 2
    return [frames[i][:, left : left + HEIGHT].flatten().tolist() for i in chosen]


if __name__ == "__main__":
    encode("../clip_frames.mp4")
    with open("../clip_frames.json", "w") as file:
        json.dump(
            {"frameCount": SAMPLE_COUNT, "frameSize": HEIGHT,
             "luma": brightness("../clip_frames.mp4")},
            file, separators=(",", ":"))
