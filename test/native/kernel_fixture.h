// Inputs, guarded outputs and the loop over tables that the kernel tests share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "kernels.h"

namespace crossrank::testing {

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}

  std::vector<float> Normal(size_t count, float deviation = 1.0f, float mean = 0.0f) {
    std::normal_distribution<float> distribution(mean, deviation);
    std::vector<float> values(count);
    for (float& value : values) value = distribution(engine_);
    return values;
  }
  std::vector<int32_t> Below(size_t count, int32_t end) {
    std::uniform_int_distribution<int32_t> distribution(0, end - 1);
    std::vector<int32_t> values(count);
    for (int32_t& value : values) value = distribution(engine_);
    return values;
  }

 private:
  std::mt19937 engine_;
};

// Floats at a chosen distance from a 64-byte boundary, between canaries that a stray store would hit.
class Buffer {
 public:
  Buffer(size_t count, size_t misalignment) : storage_(count + 2 * kGuard + 16, kCanary), count_(count) {
    const size_t past = reinterpret_cast<uintptr_t>(storage_.data()) / sizeof(float) % 16;
    start_ = kGuard + (16 - past) % 16 + misalignment - (misalignment > 15 ? 16 : 0);
  }
  Buffer(const std::vector<float>& values, size_t misalignment) : Buffer(values.size(), misalignment) {
    std::copy(values.begin(), values.end(), data());
  }
  Buffer(const Buffer&) = delete;

  float* data() { return storage_.data() + start_; }
  bool Intact() const {
    const auto is_canary = [](float x) { return x == kCanary; };
    return std::all_of(storage_.begin(), storage_.begin() + start_, is_canary) &&
           std::all_of(storage_.begin() + start_ + count_, storage_.end(), is_canary);
  }

 private:
  static constexpr float kCanary = 12345.5f;
  static constexpr size_t kGuard = 32;
  std::vector<float> storage_;
  size_t count_, start_;
};

inline bool SameBits(const float* a, const float* b, size_t count) {
  return std::memcmp(a, b, count * sizeof(float)) == 0;
}

inline std::string Join(const char* name, std::initializer_list<size_t> numbers) {
  std::string text = name;
  for (size_t n : numbers) text += " " + std::to_string(n);
  return text;
}

inline void SetContext(const kernels::KernelTable& table, const std::string& what) {
  Checks::Get().context = std::string(table.name) + " " + what;
}

// The largest error of many; a NaN among them replaces the maximum and stays, and is near nothing.
class WorstError {
 public:
  void Add(double error) { worst_ = std::fabs(error) <= worst_ ? worst_ : std::fabs(error); }
  double Get() const { return worst_; }

 private:
  double worst_ = 0.0;
};

// Runs `test` on every table that this CPU has; the result is the process's exit status.
inline int TestEveryTable(void (*test)(const kernels::KernelTable&)) {
  for (auto table = kernels::AvailableKernels(); *table != nullptr; ++table) {
    std::printf("%s ", (*table)->name);
    test(**table);
  }
  return Checks::Get().Report();
}

}  // namespace crossrank::testing
