"""Qdrant's own engine behind the few requests of its REST API that QdrantStore sends.

The engine is that of the package qdrant-edge-py: segments, filters, payload paths and scores are Qdrant's code, as in its
server. HTTP, the names of the routes and the reading of JSON into filters are of this file.

Arguments: folder of the package, port, folder of the data.
"""

import json
import pathlib
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

sys.path.insert(0, sys.argv[1])
import qdrant_edge as edge  # noqa: E402


class bool_:  # noqa: N801
    """The binding reads a bool of Python as the integer that it is too; one of numpy, known by its name, as a bool."""

    __module__ = "numpy"

    def __init__(self, value):
        self.value = value

    def __bool__(self):
        return self.value


class Refusal(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def only(body, *names):
    """Refuses what this file would leave out: a request must not seem to work."""
    unknown = set(body) - set(names)
    if unknown:
        raise Refusal(400, f"not supported here: {sorted(unknown)}")
    return body


def condition_of(body):
    if "key" not in body:
        return filter_of(body)
    only(body, "key", "match", "range")
    if "range" in body:
        only(body["range"], "gt", "gte", "lt", "lte")
        return edge.FieldCondition(key=body["key"], range=edge.RangeFloat(**body["range"]))
    match = only(body["match"], "value", "any")
    if "any" in match:
        return edge.FieldCondition(key=body["key"], match=edge.MatchAny(match["any"]))
    value = match["value"]
    wrapped = bool_(value) if isinstance(value, bool) else value
    return edge.FieldCondition(key=body["key"], match=edge.MatchValue(wrapped))


def filter_of(body):
    if body is None:
        return None
    only(body, "must", "should", "must_not")
    return edge.Filter(**{name: [condition_of(part) for part in parts] for name, parts in body.items()})


def point_of(record, **more):
    return {"id": str(record.id), "payload": record.payload, **more}


class Collection:
    def __init__(self, folder):
        self.about = json.loads((folder / "about.json").read_text())
        self.shard = edge.EdgeShard.load(str(folder / "shard"))

    @staticmethod
    def create(folder, body):
        vectors = only(only(body, "vectors", "metadata")["vectors"], "size", "distance")
        params = edge.EdgeVectorParams(size=vectors["size"], distance=getattr(edge.Distance, vectors["distance"]))
        folder.mkdir()
        edge.EdgeShard.create(str(folder / "shard"), edge.EdgeConfig(vectors=params)).close()
        (folder / "about.json").write_text(json.dumps(body))
        return Collection(folder)

    def config(self):
        return {"config": {"params": {"vectors": self.about["vectors"]}, "metadata": self.about.get("metadata")}}

    def update(self, operation):
        self.shard.update(operation)
        self.shard.flush()
        return {"operation_id": 0, "status": "completed"}

    def upsert(self, body):
        points = [
            edge.Point(uuid.UUID(point["id"]), point["vector"], point["payload"])
            for point in only(body, "points")["points"]
        ]
        return self.update(edge.UpdateOperation.upsert_points(points))

    def retrieve(self, body):
        only(body, "ids", "with_payload")
        records = self.shard.retrieve([uuid.UUID(id) for id in body["ids"]], body["with_payload"], False)
        return [point_of(record) for record in records]

    def query(self, body):
        only(body, "query", "limit", "filter", "params", "with_payload")
        request = edge.SearchRequest(
            query=edge.Query.Nearest(body["query"]),
            limit=body["limit"],
            filter=filter_of(body.get("filter")),
            params=edge.SearchParams(exact=body["params"]["exact"]),
            with_payload=body["with_payload"],
        )
        return {"points": [point_of(found, score=found.score) for found in self.shard.search(request)]}

    def scroll(self, body):
        only(body, "offset", "limit", "filter", "with_payload")
        offset = body["offset"] and uuid.UUID(body["offset"])
        request = edge.ScrollRequest(
            offset=offset,
            limit=body["limit"],
            filter=filter_of(body.get("filter")),
            with_payload=body["with_payload"],
        )
        records, following = self.shard.scroll(request)
        return {
            "points": [point_of(record) for record in records],
            "next_page_offset": following and str(following),
        }

    def count(self, body):
        only(body, "filter", "exact")
        request = edge.CountRequest(exact=body["exact"], filter=filter_of(body.get("filter")))
        return {"count": self.shard.count(request)}

    def delete(self, body):
        points = [uuid.UUID(id) for id in only(body, "points")["points"]]
        return self.update(edge.UpdateOperation.delete_points(points))


DATA = pathlib.Path(sys.argv[3])
DATA.mkdir(exist_ok=True)
LOCK = threading.Lock()
COLLECTIONS = {folder.name: Collection(folder) for folder in DATA.iterdir()}
ACTIONS = {
    ("PUT", ""): Collection.upsert,
    ("POST", ""): Collection.retrieve,
    ("POST", "query"): Collection.query,
    ("POST", "scroll"): Collection.scroll,
    ("POST", "count"): Collection.count,
    ("POST", "delete"): Collection.delete,
}


def answer(method, path, body):
    if path == "/healthz":
        return "ready"
    _, collections, name, *rest = [unquote(part) for part in path.split("/")]
    if collections != "collections":
        raise Refusal(404, "no such route")
    if method == "PUT" and not rest:
        if name in COLLECTIONS:
            raise Refusal(409, f"Collection `{name}` already exists!")
        COLLECTIONS[name] = Collection.create(DATA / name, body)
        return True
    if name not in COLLECTIONS:
        raise Refusal(404, f"Collection `{name}` doesn't exist!")
    if not rest:
        return COLLECTIONS[name].config()
    return ACTIONS[method, "/".join(rest[1:])](COLLECTIONS[name], body)


class Handler(BaseHTTPRequestHandler):
    def handle_any(self):
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        status = 200
        try:
            with LOCK:
                reply = {"result": answer(self.command, urlsplit(self.path).path, body), "status": "ok"}
        except Refusal as refusal:
            status, reply = refusal.status, {"status": {"error": str(refusal)}}
        except Exception as error:
            status, reply = 400, {"status": {"error": repr(error)}}
        text = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = handle_any  # noqa: N815

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
