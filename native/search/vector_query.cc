#include "search/vector_query.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "search/unit_length.h"

namespace crossrank {
namespace {

// The largest that a value may become so that no sum of products with int8 leaves int32. A query has finer
// steps than a row: it is in the cache, so that its bits cost nothing, and its error counts for every row.
double LargestShort(size_t columns) {
  return std::min(32767.0, std::floor(2147483647.0 / (128.0 * static_cast<double>(columns))));
}

}  // namespace

VectorQuery::VectorQuery(Span<const float> vector, RowsView view, std::vector<uint64_t> allowed_rows,
                         size_t top, ScanKind scan)
    : rows(std::move(view)),
      allowed(std::move(allowed_rows)),
      top_k(top),
      kind(scan),
      values(rows.columns),
      shorts(rows.columns) {
  std::vector<float> unit(vector.size());
  ToUnitLength(vector.data(), vector.size(), Length(vector.data(), vector.size()), unit.data());
  double largest = 0.0;
  for (size_t c = 0; c < unit.size(); ++c) {
    values[c] = unit[c];
    largest = std::max(largest, std::fabs(values[c]));
  }
  if (largest == 0.0) return;
  scale = largest / LargestShort(rows.columns);
  double length_squared = 0.0, error_squared = 0.0;
  for (size_t c = 0; c < unit.size(); ++c) {
    shorts[c] = static_cast<int16_t>(std::nearbyint(values[c] / scale));
    const double near = scale * shorts[c], rest = values[c] - near;
    length_squared += near * near;
    error_squared += rest * rest;
  }
  length = std::sqrt(length_squared);
  error = std::sqrt(error_squared);
}

}  // namespace crossrank
