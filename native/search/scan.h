// One pass over the rows of an index for several queries.
#pragma once

#include <memory>
#include <vector>

#include "common/cancellation.h"
#include "kernels/kernels.h"
#include "search/crew.h"
#include "search/vector_query.h"

namespace crossrank {

// Queries that share a pass: their products with a row are made while it is in the cache.
constexpr size_t kMostQueriesAPass = 8;

// The hits of each query, the same bits at any number of threads and with any kernels. Queries of one index,
// at most kMostQueriesAPass. Throws kClosed when cancelled.
std::vector<Hits> Scan(const std::vector<std::shared_ptr<VectorQuery>>& queries,
                       const kernels::KernelTable& kernels, Crew& crew, const Cancellation& cancellation);

}  // namespace crossrank
