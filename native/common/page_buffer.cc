#include "common/page_buffer.h"

#include <new>

#ifdef _WIN32
#include <windows.h>
#else
#include <sys/mman.h>
#endif

namespace crossrank {

#ifdef _WIN32
PageBuffer::PageBuffer(size_t bytes)
    : data_(VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE)), bytes_(bytes) {
  if (data_ == nullptr) throw std::bad_alloc();
}

PageBuffer::~PageBuffer() {
  if (data_ != nullptr) VirtualFree(data_, 0, MEM_RELEASE);
}

void PageBuffer::Release() const noexcept { VirtualAlloc(data_, bytes_, MEM_RESET, PAGE_READWRITE); }
#else
PageBuffer::PageBuffer(size_t bytes)
    : data_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), bytes_(bytes) {
  if (data_ == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  madvise(data_, bytes_, MADV_HUGEPAGE);  // filled once, front to back: a fault for 2 MB, not for 4 KB
#endif
}

PageBuffer::~PageBuffer() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

void PageBuffer::Release() const noexcept { madvise(data_, bytes_, MADV_DONTNEED); }
#endif

PageBuffer::PageBuffer(PageBuffer&& other) noexcept : data_(other.data_), bytes_(other.bytes_) {
  other.data_ = nullptr;
}

}  // namespace crossrank
