#include "common/file_lock.h"

#include <system_error>

#ifdef _WIN32
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace crossrank {

#ifdef _WIN32

std::unique_ptr<FileLock> FileLock::TryAcquire(const std::string& path) {
  const int length = MultiByteToWideChar(CP_UTF8, 0, path.c_str(), -1, nullptr, 0);
  std::wstring wide(static_cast<size_t>(length), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, path.c_str(), -1, wide.data(), length);
  // Nobody else may open it, and it goes with its last handle.
  void* file = CreateFileW(wide.c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_ALWAYS,
                           FILE_ATTRIBUTE_NORMAL | FILE_FLAG_DELETE_ON_CLOSE, nullptr);
  if (file != INVALID_HANDLE_VALUE) return std::unique_ptr<FileLock>(new FileLock(file));
  const DWORD error = GetLastError();
  if (error == ERROR_SHARING_VIOLATION) return nullptr;
  throw std::system_error(static_cast<int>(error), std::system_category());
}

FileLock::~FileLock() { CloseHandle(file_); }

#else

namespace {

bool IsAt(const std::string& path, int file) {
  struct stat named, open;
  return stat(path.c_str(), &named) == 0 && fstat(file, &open) == 0 && named.st_dev == open.st_dev &&
         named.st_ino == open.st_ino;
}

}  // namespace

std::unique_ptr<FileLock> FileLock::TryAcquire(const std::string& path) {
  for (;;) {
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) throw std::system_error(errno, std::generic_category());
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      close(file);
      if (error == EWOULDBLOCK) return nullptr;
      if (error == EINTR) continue;
      throw std::system_error(error, std::generic_category());
    }
    // The holder before may have removed the file between our opening and locking it: then the lock is on a
    // file that nobody else will find.
    if (IsAt(path, file)) return std::unique_ptr<FileLock>(new FileLock(path, file));
    close(file);
  }
}

FileLock::~FileLock() {
  unlink(path_.c_str());
  close(file_);
}

#endif

}  // namespace crossrank
