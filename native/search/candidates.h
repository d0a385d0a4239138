// Rows that may be among the best k of a query, as far as bounds of their scores tell.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

namespace crossrank {

constexpr double kNoFloor = -std::numeric_limits<double>::infinity();

struct Candidate {
  double upper;  // its score is not above this
  uint32_t row;
};

// For one thread and one query.
class Candidates {
 public:
  explicit Candidates(size_t top_k) : top_k_(top_k) {}

  // A row whose score lies in [lower, upper]. One whose upper bound is below the floor cannot be among the
  // best: k rows are at least as good as the floor.
  void Offer(double lower, double upper, uint32_t row) {
    if (upper < floor_) return;
    rows_.push_back({upper, row});
    if (lowers_.size() < top_k_) {
      lowers_.push_back(lower);
      std::push_heap(lowers_.begin(), lowers_.end(), std::greater<>());
    } else if (lower > lowers_.front()) {
      std::pop_heap(lowers_.begin(), lowers_.end(), std::greater<>());
      lowers_.back() = lower;
      std::push_heap(lowers_.begin(), lowers_.end(), std::greater<>());
    }
    if (lowers_.size() == top_k_) floor_ = std::max(floor_, lowers_.front());
  }

  double floor() const { return floor_; }
  // With what other threads found out.
  void RaiseFloor(double floor) { floor_ = std::max(floor_, floor); }

  const std::vector<Candidate>& rows() const { return rows_; }
  const std::vector<double>& lowers() const { return lowers_; }

 private:
  size_t top_k_;
  double floor_ = kNoFloor;
  std::vector<double> lowers_;  // the best k lower bounds, a heap with the least in front
  std::vector<Candidate> rows_;
};

}  // namespace crossrank
