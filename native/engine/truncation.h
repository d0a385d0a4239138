// How a pair is cut to the model's length, token for token as Hugging Face `tokenizers` does it.
#pragma once

#include <cstddef>

namespace crossrank {

enum class Truncation {
  kLongestFirst,  // cut the longer of the two first (the default of sentence-transformers)
  kDocument,      // cut the document alone ("only_second")
};

struct PairLengths {
  size_t query, document;
};

// `room` is what the template's special tokens leave. kDocument throws kInvalidArgument when the query alone
// fills it.
PairLengths TruncatePair(PairLengths lengths, size_t room, Truncation truncation);

}  // namespace crossrank
