#include "engine/admission.h"

#include <algorithm>
#include <cmath>

namespace crossrank {
namespace {

constexpr double kSecondsOfWork = 10;
constexpr size_t kLeastChunks = 16;  // a lane
// What a lane computes before anything was measured: AVX2 in fp32. Rather too much: the first run corrects
// it, and nothing is refused that could have been done.
constexpr double kMultiplyAddsPerSecond = 50e9;
// Weight of what is new in a moving average: some ten runs count.
constexpr double kNew = 0.1;

}  // namespace

double Admission::lane_rate() const {
  if (measured_seconds_ > 0) return measured_tokens_ / measured_seconds_;
  return kMultiplyAddsPerSecond / static_cast<double>(std::max<size_t>(limits_.multiply_adds_per_token, 1));
}

size_t Admission::max_queued_tokens() const {
  if (limits_.max_queued_tokens != 0) return limits_.max_queued_tokens;
  const size_t least = kLeastChunks * limits_.lanes * limits_.chunk_tokens;
  return std::max(least, static_cast<size_t>(kSecondsOfWork * tokens_per_second()));
}

size_t Admission::Estimate(const Request& request) const {
  const auto tokens = [this](const std::string& text) {
    return static_cast<size_t>(std::ceil(static_cast<double>(text.size()) / bytes_per_token_));
  };
  std::vector<size_t> queries;
  for (const std::string& query : request.queries) queries.push_back(tokens(query));
  const RequestOptions& options = request.options;
  const size_t special = limits_.special_tokens;
  size_t sum = 0;
  for (size_t d = 0; d < request.pairs(); d++) {
    const size_t query = queries.empty() ? 0 : queries[request.query(d)];
    const PairLengths pair{query, tokens(request.documents[d])};
    if (options.windows) {
      const WindowPlan plan =
          PlanWindows(pair, options.max_tokens - special, Truncation::kLongestFirst, *options.windows);
      sum += plan.windows * (plan.query + plan.tokens + special);
    } else {
      sum += std::min(pair.query + pair.document + special, options.max_tokens);
    }
  }
  return sum;
}

void Admission::Admit(Request& request) {
  const size_t tokens = Estimate(request);
  if (queued_tokens_ != 0 && queued_tokens_ + tokens > max_queued_tokens()) {
    // When enough has been done for this request to fit.
    const size_t limit = max_queued_tokens();
    const size_t excess = queued_tokens_ + tokens - limit;
    const double seconds = static_cast<double>(std::min(excess, queued_tokens_)) / tokens_per_second();
    const auto retry_ms = static_cast<size_t>(std::ceil(seconds * 1000));
    throw Error(ErrorCode::kQueueFull,
                "the queue is full: " + std::to_string(queued_requests_) + " requests with " +
                    std::to_string(queued_tokens_) + " tokens wait, this one has about " +
                    std::to_string(tokens) + ", and maxQueuedTokens is " + std::to_string(limit) +
                    "; try again in about " + std::to_string(retry_ms) + " ms",
                {{"queuedRequests", static_cast<double>(queued_requests_)},
                 {"queuedTokens", static_cast<double>(queued_tokens_)},
                 {"retryAfterMs", static_cast<double>(retry_ms)}});
  }
  queued_requests_++;
  Recount(request, tokens);
}

void Admission::Recount(Request& request, size_t tokens) {
  queued_tokens_ += tokens - request.queued_tokens;  // unsigned: right also where it shrinks
  request.queued_tokens = tokens;
}

void Admission::Release(Request& request) {
  Recount(request, 0);
  queued_requests_--;
}

void Admission::NoteRun(size_t tokens, double seconds) {
  if (seconds <= 0) return;
  measured_tokens_ += static_cast<double>(tokens) - kNew * measured_tokens_;
  measured_seconds_ += seconds - kNew * measured_seconds_;
}

void Admission::NoteTexts(size_t bytes, size_t tokens) {
  if (bytes == 0 || tokens == 0) return;
  const double ratio = static_cast<double>(bytes) / static_cast<double>(tokens);
  bytes_per_token_ += kNew * (ratio - bytes_per_token_);
}

}  // namespace crossrank
