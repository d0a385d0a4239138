"""Why the server may refuse a body that holds to its schema: only for what no JSON Schema can tell.

Each reason is one message of the server, and has an exact body in test/server-schema.test.ts.
"""

import re

import schemathesis

REASONS = re.compile(
    # One list is as long as another.
    r"Input lengths must be either 1:1, 1:N or N:N"
    # The names of the fields are in another field.
    r"|documents\[\d+\] has (none of the fields|something else than text in a field)"
    r"|list of documents must not contain only empty strings"
    # Which names there are is known only with a key, and the document is open to all. Jina and Voyage have no 404 for it.
    r"|the model \\\"[^\"]*\\\" is no (reranker|embedder)"
    # Keys at any depth, of objects that may have any keys.
    r"|the body has a key __proto__ or constructor"
    r"|the body is nested more than \d+ deep"
    # Tokens of a text, where the API refuses what is too long.
    r"|a text of \d+ tokens is longer than the \d+ that are read"
)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    is_refusal = failure.code == "ST202" and response.status_code in (400, 413, 422)
    return not (is_refusal and REASONS.search(response.text))
