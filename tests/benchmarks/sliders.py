"""How quickly a server answers to the sliders of the curation page.

    python -m tests.benchmarks.sliders --n 50000

A real server on loopback: the trees of a campaign are built once, then random settings are asked
for, as the page asks. Then the page itself, in a real Chromium; its picture goes to
tests/screenshots.
"""

import argparse
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

from al_server.models import Source
from tests.web.serving import serving


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=50_000)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--settings", type=int, default=50)
    parser.add_argument("--shown", type=int, default=12, help="removed samples told of each step")
    parser.add_argument("--no-page", action="store_true", help="leave Chromium out")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as served:
        source = _source(Path(folder), given.n, given.features)
        served.make(name="sliders", source=source, classes=["a", "b"])
        address = f"{served.url}/api/v1/campaigns/sliders/curation"
        with httpx.Client(timeout=60) as client:
            built_s = _build(client, address)
            print(f"{given.n:,} x {given.features}: built in {built_s:.1f} s")
            for keep_by in ("coreset", "adjacency", "uniqueness", None):
                _measure(client, address, keep_by, n_settings=given.settings, n_shown=given.shown)
        if not given.no_page:
            _page(served.url)


def _source(folder: Path, n: int, n_features: int) -> Source:
    """Write clusters of very different sizes, as embeddings have them."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((200, n_features))
    shares = 1 / np.arange(1, 201)
    spread = rng.lognormal(-0.9, 0.4, size=(n, 1))
    vectors = centers[rng.choice(200, n, p=shares / shares.sum())]
    vectors = vectors + spread * rng.standard_normal((n, n_features))
    np.savez(folder / "vectors.npz", X=vectors.astype(np.float32))
    return Source(kind="npz", path=str(folder / "vectors.npz"))


def _build(client: httpx.Client, address: str) -> float:
    token = client.post(address, json={})
    token.raise_for_status()
    while (info := client.get(f"{address}?n=0").raise_for_status().json())["state"] == "building":
        time.sleep(0.2)
    if info["state"] != "ready":
        raise SystemExit(f"not built: {info['error']}")
    return float(info["built_in_s"])


def _measure(
    client: httpx.Client, address: str, keep_by: str | None, *, n_settings: int, n_shown: int
) -> None:
    """Ask for settings that were never asked before; without `keep_by`, for none of it."""
    rng = np.random.default_rng(1)
    took = []
    for outliers, similars, share in rng.random((n_settings, 3)).tolist():
        asked = {"outliers": round(20 * outliers, 1), "similars": round(40 * similars, 1)}
        asked |= {"n": n_shown}
        if keep_by is not None:
            left = 100 - asked["outliers"] - asked["similars"]
            asked |= {"keep": round(10 + share * (left - 10), 1)}
        began = time.perf_counter()
        query = {**asked, "order": "last"} | ({} if keep_by is None else {"keep_by": keep_by})
        client.get(address, params=query).raise_for_status()
        took.append(1000 * (time.perf_counter() - began))
    median, p95 = np.quantile(took, [0.5, 0.95])
    said = "no keep" if keep_by is None else f"keep by {keep_by}"
    print(f"{said:20} median {median:7.1f} ms   p95 {p95:7.1f} ms   most {max(took):7.1f} ms")


def _page(url: str) -> None:
    from tests.web.browser import chromium, opened

    screenshots = Path(__file__).resolve().parents[1] / "screenshots"
    screenshots.mkdir(exist_ok=True)
    with chromium() as browser, opened(browser, url) as (page, troubles):
        page.goto("/campaigns/sliders/curation")
        page.wait_for_selector("main[data-answered]")
        page.locator("#similars").focus()
        for _ in range(10):
            page.keyboard.press("ArrowRight")
        page.wait_for_selector("main[data-answered*='similars=15']")
        print("the page says:", page.locator("#took").inner_text())
        page.screenshot(path=screenshots / "curation-benchmark.png", full_page=True)
        if troubles:
            raise SystemExit(f"the console says: {troubles}")


if __name__ == "__main__":
    main()
