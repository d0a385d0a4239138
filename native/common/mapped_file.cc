#include "common/mapped_file.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "common/error.h"

#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace crossrank {
namespace {

Error NotFound(const std::string& path, const std::string& reason) {
  return Error(ErrorCode::kModelNotFound, path + ": " + reason);
}

struct Mapping {
  const uint8_t* data;
  size_t size;
};

#ifdef _WIN32

struct Handle {
  HANDLE value;
  ~Handle() {
    if (value != nullptr && value != INVALID_HANDLE_VALUE) CloseHandle(value);
  }
};

Error LastError(const std::string& path) {
  return NotFound(path,
                  "cannot be read: " + std::system_category().message(static_cast<int>(GetLastError())));
}

Mapping Map(const std::filesystem::path& file, const std::string& path) {
  const Handle handle{CreateFileW(file.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr,
                                  OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr)};
  if (handle.value == INVALID_HANDLE_VALUE) throw LastError(path);
  LARGE_INTEGER size;
  if (!GetFileSizeEx(handle.value, &size)) throw LastError(path);
  if (size.QuadPart == 0) throw NotFound(path, "is empty; download the file again");
  const Handle mapping{CreateFileMappingW(handle.value, nullptr, PAGE_READONLY, 0, 0, nullptr)};
  if (mapping.value == nullptr) throw LastError(path);
  const void* data = MapViewOfFile(mapping.value, FILE_MAP_READ, 0, 0, 0);
  if (data == nullptr) throw LastError(path);
  return {static_cast<const uint8_t*>(data), static_cast<size_t>(size.QuadPart)};
}

void Unmap(Mapping mapping) { UnmapViewOfFile(mapping.data); }

// Unlocking pages that are not locked takes them out of the working set.
void Release(Mapping mapping) { VirtualUnlock(const_cast<uint8_t*>(mapping.data), mapping.size); }

#else

struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) close(value);
  }
};

Error LastError(const std::string& path) {
  return NotFound(path, "cannot be read: " + std::generic_category().message(errno));
}

Mapping Map(const std::filesystem::path& file, const std::string& path) {
  // Without O_NONBLOCK, opening a named pipe would wait for a writer.
  const Descriptor descriptor{open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (descriptor.value < 0) throw LastError(path);
  struct stat status;
  if (fstat(descriptor.value, &status) != 0) throw LastError(path);
  if (!S_ISREG(status.st_mode)) throw NotFound(path, "is not a regular file");
  if (status.st_size == 0) throw NotFound(path, "is empty; download the file again");
  const size_t size = static_cast<size_t>(status.st_size);
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor.value, 0);
  if (data == MAP_FAILED) throw LastError(path);
  return {static_cast<const uint8_t*>(data), size};
}

void Unmap(Mapping mapping) { munmap(const_cast<uint8_t*>(mapping.data), mapping.size); }

void Release(Mapping mapping) { madvise(const_cast<uint8_t*>(mapping.data), mapping.size, MADV_DONTNEED); }

#endif

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  std::error_code error;
  const std::filesystem::path file = std::filesystem::canonical(std::filesystem::u8path(path), error);
  if (error) throw NotFound(path, "cannot be found: " + error.message());
  if (!std::filesystem::is_regular_file(file, error)) throw NotFound(path, "is not a regular file");
  path_ = file.u8string();
  const Mapping mapping = Map(file, path);
  data_ = mapping.data;
  size_ = mapping.size;
}

MappedFile::~MappedFile() { Unmap(); }

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    Unmap();
    path_ = std::move(other.path_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void MappedFile::Unmap() noexcept {
  if (data_ != nullptr) crossrank::Unmap({data_, size_});
}

void MappedFile::ReleasePages() const noexcept {
  if (data_ != nullptr) Release({data_, size_});
}

}  // namespace crossrank
