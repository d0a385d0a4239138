"""A peer in a process of its own. Reads one JSON call a line, {"id", "method", "argument"}, and answers each by one line,
{"id", "value"} or {"id", "error"}; it ends with its standard input. bench/peers/worker.ts is the other end."""

import json
import os
import sys
import time

# Libraries print where they like. Answers go out on a copy of standard output, everything else to standard error.
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "true"


def peak_bytes():
    """The most that was resident; ru_maxrss survives exec on Linux and would show the parent's."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Worker:
    def __init__(self):
        self.peer = None

    def load(self, argument):
        from openvino_peer import OpenVinoPeer
        from sentence_transformers_peer import SentenceTransformersPeer

        peers = {"sentence-transformers": SentenceTransformersPeer, "openvino": OpenVinoPeer}
        self.peer = None  # the model before it is gone first
        started = time.perf_counter()
        self.peer = peers[argument["api"]](argument["model"], argument["settings"])
        load_ms = (time.perf_counter() - started) * 1000
        return {"loadMs": load_ms, **self.peer.facts()}

    def score(self, argument):
        query, documents = argument["query"], argument["documents"]
        started = time.perf_counter()
        scores = self.peer.score(query, documents)
        elapsed_ms = (time.perf_counter() - started) * 1000
        return {"elapsedMs": elapsed_ms, "scores": [float(score) for score in scores]}

    def memory(self, _argument):
        return {"peakBytes": peak_bytes()}


def main():
    worker = Worker()
    methods = {"load": worker.load, "score": worker.score, "memory": worker.memory}
    for line in sys.stdin:
        call = json.loads(line)
        try:
            answer = {"value": methods[call["method"]](call["argument"])}
        except Exception as error:  # whatever a library throws is an answer; the bench goes on without this peer
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps({"id": call["id"], **answer}) + "\n")
        answers.flush()


main()
