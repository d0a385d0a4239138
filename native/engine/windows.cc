#include "engine/windows.h"

#include <algorithm>
#include <string>

#include "common/error.h"

namespace crossrank {
namespace {

size_t QueryTokens(PairLengths whole, size_t room, Truncation truncation) {
  const size_t least = std::min({whole.document, kLeastWindowTokens, room / 2});
  if (whole.query + least <= room) return whole.query;
  if (truncation == Truncation::kDocument) {
    throw Error(ErrorCode::kInvalidArgument,
                "the query has " + std::to_string(whole.query) + " tokens and leaves less than " +
                    std::to_string(least) + " of " + std::to_string(room) +
                    " for a window of the document; shorten it, raise maxLength, or use truncate: "
                    "'longest_first', which may cut the query too");
  }
  return room - least;
}

}  // namespace

Window WindowPlan::window(size_t index) const {
  // The last one is moved back, so that it is as long as the others.
  return {std::min(index * stride, document - tokens), tokens};
}

WindowPlan PlanWindows(PairLengths whole, size_t room, Truncation truncation, const WindowOptions& options) {
  const size_t query = QueryTokens(whole, room, truncation);
  const size_t left = room - query;
  if (whole.document <= left) return {query, whole.document, whole.document, whole.document, 1};
  const size_t tokens = std::min(options.tokens, left);
  // Windows that the query makes shorter overlap by as large a part as they would.
  const size_t stride = std::max<size_t>(options.stride * tokens / options.tokens, 1);
  const size_t windows = 1 + (whole.document - tokens + stride - 1) / stride;
  return {query, whole.document, tokens, stride, std::min(windows, options.max_windows)};
}

}  // namespace crossrank
