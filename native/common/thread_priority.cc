#include "common/thread_priority.h"

#include <algorithm>

#if defined(_WIN32)
#include <windows.h>
#elif defined(__APPLE__)
#include <pthread/qos.h>
#elif defined(__linux__)
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace crossrank {

void LowerThreadPriority(int nice) noexcept {
  if (nice <= 0) return;
#if defined(_WIN32)
  const int priority = nice < 7    ? THREAD_PRIORITY_BELOW_NORMAL
                       : nice < 14 ? THREAD_PRIORITY_LOWEST
                                   : THREAD_PRIORITY_IDLE;
  SetThreadPriority(GetCurrentThread(), priority);
#elif defined(__APPLE__)
  pthread_set_qos_class_self_np(nice < 10 ? QOS_CLASS_UTILITY : QOS_CLASS_BACKGROUND, 0);
#elif defined(__linux__)
  const auto thread = static_cast<id_t>(syscall(SYS_gettid));
  setpriority(PRIO_PROCESS, thread, std::min(getpriority(PRIO_PROCESS, thread) + nice, kMostNice));
#endif
}

}  // namespace crossrank
