"""H.264 encoders: libx264, and those of graphics chips, which are told what to do in words of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediaserver.contracts import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["B_FRAMES", "HARDWARE", "SOFTWARE", "SOFTWARE_DELAY", "Encoder"]

# Frames by which libx264's first DTS stands before its PTS: two with B-frames in a pyramid, which we ask for at every
# preset (ultrafast has none by itself). Measured on 5.1.9, 8.1.2 and 9.0.2; the segment muxer cuts at the
# DTS, so the audio border has to use the same rule.
SOFTWARE_DELAY = 2
B_FRAMES: Mapping[int, Mapping[str, Any]] = {  # what gives libx264 another delay: that of cells it has to go with
    0: {"bf": 0},
    1: {"bf": 1},
    2: {"bf": 3, "b-pyramid": "normal"},
}
KERNEL = ("/sys/dev/char", "/sys/devices", "/sys/class/drm", "/proc/driver/nvidia", "/etc/OpenCL", "/usr/share/libdrm")


@dataclass(frozen=True, slots=True)
class Encoder:
    """`typical`: it is told a rate to keep to, not a quality. `devices` are patterns of files it reads and writes."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    pixels: str = "yuv420p"
    typical: bool = False
    uploads: str = ""  # how its device is opened: frames are brought there before it encodes them
    devices: tuple[str, ...] = ()

    @property
    def is_hardware(self) -> bool:
        return self.name.startswith("h264_")

    @property
    def opening(self) -> tuple[str, ...]:
        name = self.uploads.partition("=")[2].partition(":")[0]
        return ("-init_hw_device", self.uploads, "-filter_hw_device", name) if self.uploads else ()

    @property
    def opened(self) -> list[Path]:
        """What the sandbox lets it open."""
        return [Path(name) for pattern in self.devices for name in sorted(glob(pattern))]  # noqa: PTH207

    @property
    def described(self) -> list[Path]:
        """What tells a driver about its device; only read."""
        return [Path(name).resolve() for name in KERNEL if self.is_hardware and Path(name).exists()]

    def limits(self, limits: Limits) -> Limits:
        """Drivers map gigabytes they do not fill; the memory a film may fill is still bounded."""
        if not self.is_hardware:
            return limits
        return Limits(
            limits.wall, limits.cpu, memory=4 << 30, address_space=1 << 40, open_files=256,
            nice=limits.nice, idle_io=limits.idle_io,
        )  # fmt: skip


SOFTWARE = Encoder("libx264")
RENDER, NVIDIA = ("/dev/dri", "/dev/dri/*"), ("/dev/nvidia*",)
# None of these was tried on real hardware: what works is found out by the trial of each machine. None has B-frames.
HARDWARE = {
    each.name: each
    for each in (
        Encoder(
            "h264_nvenc",
            {"preset": "p4", "rc": "vbr", "cq": 25, "b:v": 0, "forced-idr": 1, "no-scenecut": 1, "strict_gop": 1},
            devices=NVIDIA,
        ),
        Encoder("h264_qsv", {"global_quality": 25, "look_ahead": 0}, pixels="nv12", devices=RENDER),
        Encoder(
            "h264_vaapi", {"rc_mode": "VBR"}, pixels="nv12", typical=True, devices=RENDER,
            uploads="vaapi=chip:/dev/dri/renderD128",
        ),
        Encoder("h264_amf", {"usage": "transcoding", "rc": "vbr_peak"}, pixels="nv12", typical=True, devices=RENDER),
        Encoder("h264_videotoolbox", pixels="nv12", typical=True),
        Encoder("h264_v4l2m2m", {"profile:v": 100}, typical=True, devices=("/dev/video*", "/dev/media*")),
    )
}  # fmt: skip
