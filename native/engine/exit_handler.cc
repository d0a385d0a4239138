#include "engine/exit_handler.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>

#include "engine/registry.h"

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__APPLE__)
#include <pthread.h>
#endif

namespace crossrank {
namespace {

bool IsMainThread() {
#if defined(__linux__)
  return syscall(SYS_gettid) == getpid();
#elif defined(__APPLE__)
  return pthread_main_np() != 0;
#else
  return false;  // Windows ends all other threads before it unloads a library
#endif
}

struct Stopper {
  ~Stopper() { EngineRegistry::Get().Stop(); }
};

}  // namespace

void StopAtExitOfMainThread() {
  if (!IsMainThread()) return;
  thread_local const Stopper stopper;
  static_cast<void>(stopper);
}

void StopAtExit(ExitStage stage) {
  static std::atomic<bool> registered[3];
  if (registered[static_cast<size_t>(stage)].exchange(true)) return;
  std::atexit([] { EngineRegistry::Get().Stop(); });
}

}  // namespace crossrank
