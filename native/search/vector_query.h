// A query on its way through a search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "common/error.h"
#include "common/span.h"
#include "search/row_store.h"

namespace crossrank {

struct Hit {
  float score;  // cosine similarity
  uint32_t row;
};

// Best first, of equal scores the lower row; all rows that score as the last one are there too.
using Hits = std::vector<Hit>;

enum class ScanKind {
  kFastest,    // one of the others
  kQuantized,  // int8 first, then fp32 for the rows that can be among the best
  kPlain,      // fp32 alone; the same hits
};

struct VectorQuery {
  // `vector`: finite values, as many as the view's rows have or fewer. Rows past the end of `allowed` are not
  // allowed.
  VectorQuery(Span<const float> vector, RowsView rows, std::vector<uint64_t> allowed, size_t top_k,
              ScanKind kind);

  uint64_t allowed_group(size_t group) const { return group < allowed.size() ? allowed[group] : 0; }

  RowsView rows;
  std::vector<uint64_t> allowed;  // bit r % 64 of word r / 64
  size_t top_k;
  ScanKind kind;

  std::vector<double> values;  // of unit length (or zeros) as floats; [columns]
  // values are about scale * shorts: `length` is that of scale * shorts, `error` that of the rest.
  std::vector<int16_t> shorts;  // [columns]
  double scale = 1.0, length = 0.0, error = 0.0;

  // Called once, on a thread of the search; not when the search is cancelled.
  std::function<void(Hits hits, std::optional<Error> error)> done;
};

}  // namespace crossrank
