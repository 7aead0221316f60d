"""The smallest real image and sound, made here so that no binary file is kept.

The suite asks for a PNG and a WAV in tool results, prompts and resources.
"""

import base64
import io
import struct
import wave
import zlib


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def red_pixel_png() -> bytes:
    """A PNG of one red pixel (8 bits per channel, RGB)."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    row = b"\x00\xff\x00\x00"
    return (
        b"\x89PNG\r\n\x1a\n"
        + _png_chunk(b"IHDR", header)
        + _png_chunk(b"IDAT", zlib.compress(row))
        + _png_chunk(b"IEND", b"")
    )


def silent_wav() -> bytes:
    """A WAV of ten silent samples (mono, 16 bits, 8 kHz)."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(20))
    return sound.getvalue()


PNG = base64.b64encode(red_pixel_png()).decode()
WAV = base64.b64encode(silent_wav()).decode()
