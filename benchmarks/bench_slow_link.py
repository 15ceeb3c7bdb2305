"""What a slow link does to samples: how many are judged, how old they arrive, how long a manipulation stays unseen.

Yardstick. One process each: a monitor with N tracks of 1280x720 (0.2 samples per second and track, burst 1), a relay
that passes 8, 12, 64 or 200 KB/s on to the service, and the service, which answers at once. Real sockets and the real
encoder; the relay's buffer is small, as before a link, or with `--hidden` the system's, as behind a proxy. Every track
in turn is manipulated for 20 s; a sample captured meanwhile is answered with an alert. For each cell: samples judged
per minute, age on arrival (end of the capture to the last byte at the service; p50, p99), how many arrived later than
2 s, and the time from the beginning of a manipulation to its first alert (median, and how many were missed).

    python benchmarks/bench_slow_link.py --seconds 120 --before PATH    # PATH: the src/ of another version to compare

Goal: no sample but the first of a run older than 2 s at 8 KB/s and more, and no fewer judged than before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
RATES = (8, 12, 64, 200)
TRACKS = (1, 5, 20)
MANIPULATED = 20.0
"""Seconds."""


def picture(width: int, height: int) -> bytes:
    """Return an I420 picture with the spectrum of a photograph, the same in every run."""
    import numpy as np  # noqa: PLC0415 - the parent process needs none of these

    rng = np.random.default_rng(7)

    def plane(w: int, h: int, spread: float) -> bytes:
        f = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None, :])
        f[0, 0] = 1
        noise = np.real(np.fft.ifft2(np.fft.fft2(rng.normal(size=(h, w))) / f**1.3))
        return (noise / noise.std() * spread + 128).clip(0, 255).astype(np.uint8).tobytes()

    return plane(width, height, 45) + plane(width // 2, height // 2, 15) + plane(width // 2, height // 2, 15)


async def cell(rate: int, tracks: int, seconds: float, *, hidden: bool) -> dict[str, Any]:
    """Run one cell and return its figures."""
    import trio  # noqa: PLC0415
    from relays import SMALL_BUFFER, slow_relay  # noqa: PLC0415
    from servers import websocket_server  # noqa: PLC0415
    from trio_websocket import ConnectionClosed, WebSocketRequest  # noqa: PLC0415

    from ds_actors.detection import Dataspike, Frame, Monitor, ResultType, TrackInfo  # noqa: PLC0415
    from ds_actors.detection.events import WireResult  # noqa: PLC0415
    from ds_actors.detection.uplink.wire import decode_request, encode_result  # noqa: PLC0415

    frame = Frame(1280, 720, "i420", picture(1280, 720))
    began = time.time()
    arrived: list[tuple[float, str, float]] = []
    sizes: list[int] = []
    found: dict[str, float] = {}
    step = max(1.0, (seconds - 10 - MANIPULATED) / tracks)
    begins = {f"T{n}": began + 10 + n * step for n in range(tracks)}

    class Source:
        async def capture(self) -> Frame:
            await trio.lowlevel.checkpoint()
            return frame

        async def aclose(self) -> None:
            await trio.lowlevel.checkpoint()

    async def serve(request: WebSocketRequest) -> None:
        websocket = await request.accept()
        try:
            while True:
                sample = decode_request(await websocket.get_message())
                now, captured = time.time(), sample.timestamp_ms / 1_000
                arrived.append((now, sample.track, now - captured))
                sizes.append(len(sample.data))
                alert = begins[sample.track] <= captured < begins[sample.track] + MANIPULATED
                if alert:
                    found.setdefault(sample.track, now - begins[sample.track])
                kind = ResultType.ALERT if alert else ResultType.CLEAR
                await websocket.send_message(encode_result(WireResult(kind, sample.participant, sample.track)))
        except ConnectionClosed:
            pass

    buffer = None if hidden else SMALL_BUFFER
    async with websocket_server(serve) as port, slow_relay(port, rate * 1_000, buffer) as (_, entry):
        service = Dataspike(api_key="bench", url=f"ws://127.0.0.1:{entry}")
        async with Monitor(service=service) as monitor:
            for n in range(tracks):
                await monitor.add_track(TrackInfo(f"p{n}", f"T{n}"), Source())
            await trio.sleep(seconds - (time.time() - began))
            uplink = monitor.status().uplink
    ages = sorted(age for _, _, age in arrived) or [float("inf")]
    times = sorted(found.values())
    return {
        "judged_per_minute": 60 * len(arrived) / seconds,
        "p50": ages[len(ages) // 2],
        "p99": ages[min(len(ages) - 1, int(len(ages) * 0.99))],
        "late": sum(age > 2 for age in ages if age < float("inf")),
        "kilobytes": sum(sizes) / max(1, len(sizes)) / 1_000,
        "detection": times[len(times) // 2] if times else None,
        "missed": tracks - len(times),
        "dropped": dict(uplink.dropped),
    }


def run(rate: int, tracks: int, options: argparse.Namespace, source: str) -> subprocess.Popen[str]:
    """Start one cell in its own process, with the code of a source tree."""
    path = os.pathsep.join((source, str(HERE.parents[1] / "tests/support")))
    command = [sys.executable, str(HERE), "--cell", str(rate), str(tracks), "--seconds", str(options.seconds)]
    command += ["--hidden"] * options.hidden
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})


def main() -> None:
    """Print one row per cell and version."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--before", help="the src/ of the version to compare with")
    parser.add_argument("--hidden", action="store_true")
    parser.add_argument("--rates", type=int, nargs="*", default=RATES)
    parser.add_argument("--tracks", type=int, nargs="*", default=TRACKS)
    parser.add_argument("--parallel", type=int, default=3, help="cells at a time")
    parser.add_argument("--cell", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cell:
        import trio  # noqa: PLC0415

        async def one_cell() -> dict[str, Any]:
            return await cell(options.cell[0], options.cell[1], options.seconds, hidden=options.hidden)

        print(json.dumps(trio.run(one_cell)))
        return
    versions = {"after": str(HERE.parents[1] / "src")}
    if options.before:
        versions = {"before": options.before, **versions}
    cells = [(rate, tracks, name) for rate in options.rates for tracks in options.tracks for name in versions]
    print("KB/s  tracks           judged/min  age p50  age p99  over 2 s  mean kB  detection  missed  dropped")
    for start in range(0, len(cells), options.parallel):
        group = cells[start : start + options.parallel]
        running = [run(rate, tracks, options, versions[name]) for rate, tracks, name in group]
        for (rate, tracks, name), process in zip(group, running, strict=True):
            out, _ = process.communicate()
            found = json.loads(out)
            detection = "-" if found["detection"] is None else f"{found['detection']:.1f} s"
            dropped = ", ".join(f"{reason} {number}" for reason, number in sorted(found["dropped"].items()))
            print(
                f"{rate:4}  {tracks:6}  {name:7}  {found['judged_per_minute']:10.1f}  {found['p50']:5.2f} s"
                f"  {found['p99']:5.2f} s  {found['late']:8}  {found['kilobytes']:7.1f}  {detection:>9}"
                f"  {found['missed']:6}  {dropped}",
                flush=True,
            )


if __name__ == "__main__":
    main()
