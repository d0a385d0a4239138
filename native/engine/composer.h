// Cuts the pairs of all waiting requests into chunks, one chunk a run of the session.
//
// Requests are served in the order of their arrival. Within one, pairs are sorted by length, and a chunk
// takes the longest that are left and fills what remains of its budget with the shortest; room that is still
// left goes to the requests behind. Not thread-safe: the engine guards it.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "engine/request.h"

namespace crossrank {

struct ChunkItem {
  std::shared_ptr<Request> request;
  uint32_t document;
};

struct ComposerLimits {
  size_t max_tokens;  // of a chunk; a single longer sequence is a chunk of its own
  size_t max_rows;    // sequences in a chunk
  bool padded;  // a chunk costs rows x its longest sequence: one request's neighbours in length go together
  size_t lanes;
};

class Composer {
 public:
  explicit Composer(const ComposerLimits& limits) : limits_(limits) {}

  // `special_tokens` are added to every pair's length.
  void Add(std::shared_ptr<Request> request, size_t special_tokens);
  bool empty() const { return waiting_.empty(); }
  // The next chunk; empty when nothing is left. Pairs of failed requests are dropped on the way.
  std::vector<ChunkItem> Next();

 private:
  struct Pair {
    uint32_t document;
    uint32_t tokens;
  };
  struct Waiting {
    std::shared_ptr<Request> request;
    std::deque<Pair> pairs;  // longest first
  };
  struct Filling {
    std::vector<ChunkItem> items;
    size_t tokens = 0;
    size_t longest = 0;
  };

  bool Fits(const Filling& chunk, const Pair& pair, size_t budget) const;
  void Take(Waiting& from, bool longest, Filling& chunk);
  size_t Budget() const;
  void DropFailed();

  ComposerLimits limits_;
  std::deque<Waiting> waiting_;
  size_t waiting_tokens_ = 0;
};

}  // namespace crossrank
