"""Scrapes processes as a collector does: both texts parse, have the same series, and exemplars name a trace."""

import sys
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_plain

# What a scrape changes by itself, or what goes on while nobody calls.
RESTLESS = ("process_", "nodejs_", "arrowmesh_active_connections")


def scrape(url, accept):
    request = urllib.request.Request(f"{url}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def normal(value):
    try:
        return float(value)
    except ValueError:
        return value


def series(families):
    """Without `_total`, which the parser of the older text gives every counter."""
    return {
        (sample.name.removesuffix("_total"), *sorted((name, normal(value)) for name, value in sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.startswith(RESTLESS)
    }


def check(url, trace_id):
    content_type, plain = scrape(url, "text/plain")
    assert content_type == "text/plain; version=0.0.4; charset=utf-8", content_type
    content_type, text = scrape(url, "application/openmetrics-text; version=1.0.0")
    assert content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8", content_type
    assert text.endswith("# EOF\n")
    families = list(parse_open(text))
    differing = set(series(families).items()) ^ set(series(parse_plain(plain)).items())
    assert not differing, f"{url}: {sorted(differing)[:6]}"
    found = {
        family.name
        for family in families
        for sample in family.samples
        if sample.exemplar is not None and sample.exemplar.labels == {"trace_id": trace_id}
    }
    exemplars = [sample.exemplar for family in families for sample in family.samples if sample.exemplar]
    assert all(1_600_000_000 < float(exemplar.timestamp) < 4_000_000_000 for exemplar in exemplars)
    return found


trace_id, *urls = sys.argv[1:]
for url in urls:
    print(" ".join(sorted(check(url, trace_id))))
