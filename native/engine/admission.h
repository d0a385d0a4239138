// How much work may wait, and how long it will take. Not thread-safe: the engine guards it.
//
// Work is counted in tokens of requests that have been admitted and not ended. Before a request is tokenized
// its tokens are estimated from its bytes; it is never refused later for what they turn out to be. One that
// is larger than the limit is admitted when nothing else waits.
#pragma once

#include <cstddef>

#include "engine/request.h"

namespace crossrank {

class Admission {
 public:
  struct Limits {
    size_t max_queued_tokens;  // 0: about ten seconds of work
    size_t lanes;
    size_t chunk_tokens;
    size_t multiply_adds_per_token;  // of the model: its speed before one has been measured
    size_t special_tokens;
  };

  explicit Admission(const Limits& limits) : limits_(limits) {}

  // Throws kQueueFull, with the depth of the queue and when to try again. Else the request counts.
  void Admit(Request& request);
  // What is left of an admitted request; 0 when it has ended.
  void Recount(Request& request, size_t tokens);
  void Release(Request& request);

  // What was measured: a run, and how long texts are in tokens.
  void NoteRun(size_t tokens, double seconds);
  void NoteTexts(size_t bytes, size_t tokens);

  size_t max_queued_tokens() const;
  size_t queued_tokens() const { return queued_tokens_; }
  size_t queued_requests() const { return queued_requests_; }
  // Of all lanes together.
  double tokens_per_second() const { return lane_rate() * static_cast<double>(limits_.lanes); }

 private:
  double lane_rate() const;
  size_t Estimate(const Request& request) const;

  const Limits limits_;
  size_t queued_tokens_ = 0, queued_requests_ = 0;
  // Of runs, the last ones most: small runs, which are slower, count for as much as they are.
  double measured_tokens_ = 0, measured_seconds_ = 0;
  double bytes_per_token_ = 4;  // a moving average, from that of English
};

}  // namespace crossrank
