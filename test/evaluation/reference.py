"""Writes test/fixtures/evaluation/: metrics of trec_eval (through pytrec_eval) and intervals of scipy, to compare with.

    pip install pytrec_eval-terrier==0.5.11 scipy==1.17.1
    python test/evaluation/reference.py

trec_eval's mrr@k is recip_rank of a run that is cut after k documents in trec_eval's order.
"""

import json
import pathlib
import random

import numpy
import pytrec_eval
import scipy.stats

OUT = pathlib.Path(__file__).parent.parent / "fixtures" / "evaluation"
CUTOFFS = [1, 3, 5, 10, 100]
MEASURES = {
    "ndcg": ("ndcg", "ndcg_cut"),
    "map": ("map", "map_cut"),
    "recall": (None, "recall"),
    "p": (None, "P"),
}


def trec_order(documents):
    """Best first: by score as float32, then by id from high to low, as bytes."""
    return sorted(documents, key=lambda d: (numpy.float32(documents[d]), d.encode()), reverse=True)


def evaluate(qrels, run):
    wanted = {"recip_rank", "ndcg", "map"}
    wanted |= {f"{of}.{','.join(map(str, CUTOFFS))}" for of in ("ndcg_cut", "map_cut", "recall", "P")}
    found = pytrec_eval.RelevanceEvaluator(qrels, wanted).evaluate(run)
    values = {query: {"mrr": each["recip_rank"]} for query, each in found.items()}
    for query, each in found.items():
        for name, (whole, cut) in MEASURES.items():
            if whole:
                values[query][name] = each[whole]
            for k in CUTOFFS:
                values[query][f"{name}@{k}"] = each[f"{cut}_{k}"]
    for k in CUTOFFS:
        cut = {q: {d: documents[d] for d in trec_order(documents)[:k]} for q, documents in run.items()}
        for query, each in pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(cut).items():
            values[query][f"mrr@{k}"] = each["recip_rank"]
    return values


def case(name, qrels, run):
    queries = evaluate(qrels, run)
    metrics = sorted(next(iter(queries.values())))
    sums = {m: sum(values[m] for values in queries.values()) for m in metrics}
    return {
        "name": name,
        "qrels": qrels,
        "run": run,
        "queries": queries,
        "mean": {m: sums[m] / len(queries) for m in metrics},
        "meanOfAllJudged": {m: sums[m] / len(qrels) for m in metrics},
    }


def random_case(name, seed, queries, documents, grades, score):
    """Runs and judgements overlap in part: there are unjudged documents and judged ones that were not found."""
    rng = random.Random(seed)
    ids = [f"d{i}" for i in range(documents)]
    judged = {f"q{q}": {d: rng.choice(grades) for d in rng.sample(ids, rng.randint(1, documents // 2))} for q in range(queries)}
    run = {f"q{q}": {d: score(rng) for d in rng.sample(ids, rng.randint(1, documents))} for q in range(queries)}
    return case(name, judged, run)


def metric_cases():
    yield random_case("no ties, two grades", 1, 8, 60, [0, 0, 1], lambda rng: round(rng.uniform(-5, 5), 6))
    yield random_case("many ties, graded", 2, 12, 40, [0, 0, 1, 2, 3], lambda rng: rng.randint(0, 3))
    yield random_case("negative grades", 3, 12, 30, [-2, -1, 0, 1, 2], lambda rng: rng.randint(0, 9) / 2)
    yield random_case("all scores equal", 4, 4, 25, [0, 1], lambda rng: 1.5)
    yield random_case("more than 100 documents", 5, 3, 260, [0, 0, 0, 0, 1, 2], lambda rng: round(rng.gauss(0, 1), 2))
    yield random_case(
        "scores that are equal as float32 alone", 6, 8, 30, [0, 1, 2], lambda rng: 12.5 + rng.randint(0, 2) * 1e-8
    )
    yield case(
        "scores that are large, tiny or below zero",
        {"q": {"a": 1, "b": 0, "c": 2, "d": 1, "e": 0}},
        {"q": {"a": 1e30, "b": 1e30 + 1e14, "c": -1e-42, "d": -3.5e38, "e": 0.0}},
    )
    yield case(
        "queries without relevant documents, and with none judged that were found",
        {"none": {"a": 0, "b": -1}, "other": {"z": 1}, "some": {"a": 1}},
        {"none": {"a": 2, "b": 1}, "other": {"a": 2, "b": 1}, "some": {"b": 2, "a": 1}},
    )
    yield case(
        "queries that only one side has",
        {"both": {"a": 1, "b": 2}, "judged only": {"a": 1}, "judged only too": {"b": 1}},
        {"both": {"a": 1, "b": 0.5}, "run only": {"a": 1}},
    )
    # As UTF-16 the last two would stand the other way round.
    names = ["a", "A", "é", "中文", "a b", "10", "9", "\uff21", "\U0001f600"]
    yield case("ties of ids beyond ASCII", {"q": {d: i % 3 for i, d in enumerate(names)}}, {"q": {d: 1 for d in names}})
    yield case("an astral id before one of the private use area", {"q": {"\uff21": 1}}, {"q": {"\uff21": 1, "\U0001f600": 1}})


def interval(data, statistic, **options):
    result = scipy.stats.bootstrap(
        data, statistic, method="percentile", n_resamples=200_000, batch=2_000, rng=numpy.random.default_rng(7), **options
    )
    return {"low": result.confidence_interval.low, "high": result.confidence_interval.high}


def mean(values, axis):
    return numpy.mean(values, axis=axis)


def mean_difference(before, after, axis):
    return numpy.mean(after - before, axis=axis)


def bootstrap_cases():
    rng = numpy.random.default_rng(11)
    for name, queries, level in [("43 queries", 43, 0.95), ("300 queries", 300, 0.95), ("12 queries at 80 %", 12, 0.8)]:
        before = numpy.round(rng.beta(1.2, 1.5, queries), 4)
        after = numpy.round(numpy.clip(before + rng.normal(0.08, 0.2, queries), 0, 1), 4)
        yield {
            "name": name,
            "confidence": level,
            "before": before.tolist(),
            "after": after.tolist(),
            "intervals": {
                "before": interval((before,), mean, confidence_level=level),
                "after": interval((after,), mean, confidence_level=level),
                "difference": interval((before, after), mean_difference, confidence_level=level, paired=True),
            },
        }


def write(name, cases):
    OUT.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(each, ensure_ascii=True) for each in cases)
    (OUT / name).write_text(f'{{"cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    write("metrics.json", metric_cases())
    write("bootstrap.json", bootstrap_cases())
