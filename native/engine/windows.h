// How a document that is longer than a pair may be is cut into windows of its tokens, which are scored one by
// one; the best one's score is the document's.
#pragma once

#include <cstddef>
#include <limits>

#include "engine/truncation.h"

namespace crossrank {

// A query gives way to a window of so many tokens, or of half the room where that is less; else it stays
// whole.
constexpr size_t kLeastWindowTokens = 64;

struct WindowOptions {
  size_t tokens = 400;  // of a window, or what the query leaves of the room
  size_t stride = 200;  // from one window's start to the next one's; at most `tokens`
  size_t max_windows = std::numeric_limits<size_t>::max();  // of a document: its first ones
  // On the scale of the scores: the windows that follow one of this score are not scored.
  double stop_score = std::numeric_limits<double>::infinity();

  bool stops() const { return stop_score != std::numeric_limits<double>::infinity(); }
};

struct Window {
  size_t first, tokens;  // of the document's

  size_t end() const { return first + tokens; }
};

// The windows of one pair. They overlap or touch, begin with the document's first token, and all are equally
// long; the last one of all ends with the document's last token.
struct WindowPlan {
  size_t query;     // tokens kept of it, in every window
  size_t document;  // tokens of the whole document
  size_t tokens, stride;
  size_t windows;  // at least one

  Window window(size_t index) const;
  // Tokens of the document behind a window, which nobody sees who stops there.
  size_t behind(size_t index) const { return document - window(index).end(); }
};

// `room` is what the template's special tokens leave. What fits as a whole is one window, whatever
// options.tokens. Truncation::kDocument leaves the query whole, and throws kInvalidArgument when it would
// have to give way.
WindowPlan PlanWindows(PairLengths whole, size_t room, Truncation truncation, const WindowOptions& options);

}  // namespace crossrank
