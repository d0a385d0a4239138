#include "engine/truncation.h"

#include <algorithm>
#include <string>

#include "common/error.h"

namespace crossrank {

PairLengths TruncatePair(PairLengths lengths, size_t room, Truncation truncation) {
  if (lengths.query + lengths.document <= room) return lengths;
  if (truncation == Truncation::kDocument) {
    if (lengths.query >= room) {
      throw Error(ErrorCode::kInvalidArgument,
                  "the query has " + std::to_string(lengths.query) +
                      " tokens and leaves no room for a document (" + std::to_string(room) +
                      " tokens in all); shorten it, raise maxLength, or use truncate: "
                      "'longest_first', which may cut the query too");
    }
    return {lengths.query, room - lengths.query};
  }
  // tokenizers, utils/truncation.rs, TruncationStrategy::LongestFirst
  const bool query_is_shorter = lengths.query <= lengths.document;
  size_t shorter = std::min(lengths.query, lengths.document);
  size_t longer = shorter > room ? shorter : std::max(shorter, room - shorter);
  if (shorter + longer > room) {
    shorter = room / 2;
    longer = shorter + room % 2;
  }
  return query_is_shorter ? PairLengths{shorter, longer} : PairLengths{longer, shorter};
}

}  // namespace crossrank
