// What the model scores at once, and how far a document is with its pieces.
#pragma once

#include <cstddef>
#include <cstdint>

namespace crossrank {

// A query with a stretch of a document: all of it, what truncation leaves of it, or a window.
struct Piece {
  uint32_t document;  // of the request
  uint32_t first;     // of the document's tokens
  uint32_t document_tokens, query_tokens;

  uint32_t end() const { return first + document_tokens; }
  uint32_t tokens(size_t special) const {
    return query_tokens + document_tokens + static_cast<uint32_t>(special);
  }
};

struct Progress {
  uint32_t first = 0, end = 0;  // its pieces, in the order of the text
  uint32_t scored = 0;
  uint32_t left = 0;  // that will be scored yet
  uint32_t best = 0;  // of the scored; of equal ones the first
};

// In UTF-16 code units of the document's text.
struct TextSpan {
  uint32_t start = 0, end = 0;
};

}  // namespace crossrank
