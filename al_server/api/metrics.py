"""What Prometheus may read: requests of this app, and its campaigns as they stand."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from flask import Flask, Response, current_app, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from al_server.campaigns import CampaignRegistry

_EXTENSION = "al_server.metrics"
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"})
# a pick takes milliseconds, an export seconds
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class CampaignCollector(Collector):
    """Reads the campaigns when asked, so that no number is ever stale."""

    def __init__(self, registry: "CampaignRegistry") -> None:
        self._registry = registry

    def describe(self) -> list[Metric]:
        """Say nothing beforehand: registering must not read the store."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give one gauge a count, labeled by campaign."""
        infos = self._registry.infos()
        counts = {
            "samples": "Samples in the pool",
            "labeled": "Samples with a label",
            "pending": "Samples leased to annotators",
            "skipped": "Samples skipped",
        }
        for count, text in counts.items():
            gauge = GaugeMetricFamily(f"al_server_campaign_{count}", text, labels=["campaign"])
            for info in infos:
                gauge.add_metric([info.name], getattr(info, f"n_{count}"))
            yield gauge
        ready = GaugeMetricFamily(
            "al_server_campaign_ready", "1 where the campaign can be labeled", labels=["campaign"]
        )
        for info in infos:
            ready.add_metric([info.name], info.state == "ready")
        yield ready


def init_app(app: Flask, registry: "CampaignRegistry") -> None:
    """Measure every request; a registry of its own for each app."""
    collectors = CollectorRegistry()
    labels = ("method", "route", "status")
    requests = Counter("al_server_http_requests", "Requests answered", labels, registry=collectors)
    seconds = Histogram(
        "al_server_http_request_seconds",
        "Time to the first byte of an answer",
        labels[:2],
        registry=collectors,
        buckets=_BUCKETS,
    )
    collectors.register(CampaignCollector(registry))
    app.extensions[_EXTENSION] = collectors

    def begin() -> None:
        g.al_began = time.perf_counter()

    def end(answer: Response) -> Response:
        # the rule, never the path: ids and wrong addresses must not become time series
        route = request.url_rule.rule if request.url_rule else "unmatched"
        method = request.method if request.method in _METHODS else "other"
        requests.labels(method, route, str(answer.status_code)).inc()
        seconds.labels(method, route).observe(time.perf_counter() - g.al_began)
        return answer

    app.before_request(begin)
    app.after_request(end)


def metrics_answer() -> Response:
    """Write all metrics in the format that the scraper asks for."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    collectors = cast(CollectorRegistry, current_app.extensions[_EXTENSION])
    return Response(encode(collectors), content_type=content_type)
