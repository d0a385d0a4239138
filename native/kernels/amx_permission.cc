#include "amx_permission.h"

#include <string>

#if defined(CROSSRANK_X86) && defined(__linux__)
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace crossrank::kernels {
namespace {

#if defined(CROSSRANK_X86) && defined(__linux__)

// asm/prctl.h, which distributions before Linux 5.16 have without these.
constexpr long kGetPermission = 0x1022, kRequestPermission = 0x1023, kTileData = 18;

std::string Explain(int error) {
  const std::string text = std::string(strerror(error)) + " (arch_prctl ARCH_REQ_XCOMP_PERM)";
  switch (error) {
    case ENOSPC:  // about 12 KB are needed; Documentation/arch/x86/xstate.rst
      return text + ": a thread's sigaltstack is too small for tile registers";
    case EPERM:
    case EACCES:
    case ENOSYS:
      return text + ": probably a filter of system calls (seccomp)";
    case EINVAL:
    case EOPNOTSUPP:
      return text + ": the kernel or the CPU has no tile registers";
    default:
      return text;
  }
}

// The request is process-wide and inherited by forked children.
std::string Request() {
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0) return Explain(errno);
  // A sandbox may answer a call that it does not carry out.
  unsigned long granted = 0;
  if (syscall(SYS_arch_prctl, kGetPermission, &granted) != 0) return Explain(errno);
  return granted >> kTileData & 1 ? "" : "the kernel granted the request but not the tile registers";
}

#else

std::string Request() { return "used on Linux alone"; }

#endif

const std::string& Refusal() {
  static const std::string refusal = Request();
  return refusal;
}

}  // namespace

bool RequestAmxPermission() { return Refusal().empty(); }

const char* AmxRefusal() { return Refusal().c_str(); }

}  // namespace crossrank::kernels
