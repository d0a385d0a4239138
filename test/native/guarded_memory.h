// Memory that ends at a page nobody may touch: reading or writing past the last byte ends the test.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace crossrank::testing {

template <class T>
class Guarded {
 public:
  // Filled with bytes of 0xEE: as bf16 or fp32 a number far from all others.
  explicit Guarded(size_t count) : count_(count) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), bytes = count * sizeof(T);
    const size_t usable = (bytes + page - 1) / page * page;
    length_ = usable + page;
    void* map = mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) std::abort();
    map_ = static_cast<uint8_t*>(map);
    std::memset(map_, 0xEE, usable);
    if (mprotect(map_ + usable, page, PROT_NONE) != 0) std::abort();
    data_ = reinterpret_cast<T*>(map_ + usable - bytes);
  }
  explicit Guarded(const std::vector<T>& values) : Guarded(values.size()) {
    if (count_ > 0) std::memcpy(data_, values.data(), count_ * sizeof(T));
  }
  ~Guarded() { munmap(map_, length_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  T* data() { return data_; }
  size_t size() const { return count_; }

 private:
  uint8_t* map_;
  size_t length_, count_;
  T* data_;
};

}  // namespace crossrank::testing
