// What this CPU and operating system can run, and the choice of a kernel table.
#include <cstdlib>
#include <cstring>
#include <string>

#include "kernels.h"
#include "tables.h"

#if defined(CROSSRANK_X86)
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace crossrank::kernels {
namespace {

#if defined(CROSSRANK_X86)

struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers Cpuid(uint32_t leaf, uint32_t subleaf) {
  Registers r;
#if defined(_MSC_VER)
  int raw[4];
  __cpuid(raw, 0);
  if (leaf > static_cast<uint32_t>(raw[0])) return r;
  __cpuidex(raw, static_cast<int>(leaf), static_cast<int>(subleaf));
  r = {static_cast<uint32_t>(raw[0]), static_cast<uint32_t>(raw[1]), static_cast<uint32_t>(raw[2]),
       static_cast<uint32_t>(raw[3])};
#else
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);  // leaves zeros where the leaf is missing
#endif
  return r;
}

// The register files that the operating system saves on a context switch (XCR0).
uint64_t EnabledState(const Registers& leaf1) {
  constexpr uint32_t kOsxsave = 1u << 27;
  if ((leaf1.ecx & kOsxsave) == 0) return 0;
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  uint32_t low, high;  // the intrinsic would need -mxsave, which this file is not compiled with
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
#endif
}

struct Cpu {
  std::string features;
  bool avx2_table = false, avx512_table = false;
};

// Bits: Intel SDM volume 2A, CPUID; volume 1, section 13.1 for XCR0.
Cpu Detect() {
  const Registers leaf1 = Cpuid(1, 0), leaf7 = Cpuid(7, 0), leaf7_1 = Cpuid(7, 1);
  const uint64_t state = EnabledState(leaf1);
  const auto saved = [state](uint64_t mask) { return (state & mask) == mask; };
  const bool ymm = saved(0x6), zmm = saved(0xE6), tiles = saved(0x60000);

  Cpu cpu;
  const auto note = [&cpu](const char* name, uint32_t word, int bit, bool usable) {
    const bool present = usable && (word >> bit & 1u) != 0;
    if (present) cpu.features += (cpu.features.empty() ? "" : " ") + std::string(name);
    return present;
  };
  note("sse4.2", leaf1.ecx, 20, true);
  note("avx", leaf1.ecx, 28, ymm);
  const bool avx2 = note("avx2", leaf7.ebx, 5, ymm);
  const bool fma = note("fma", leaf1.ecx, 12, ymm);
  const bool f16c = note("f16c", leaf1.ecx, 29, ymm);
  const bool avx512f = note("avx512f", leaf7.ebx, 16, zmm);
  const bool avx512bw = note("avx512bw", leaf7.ebx, 30, zmm);
  const bool avx512vl = note("avx512vl", leaf7.ebx, 31, zmm);
  const bool avx512dq = note("avx512dq", leaf7.ebx, 17, zmm);
  note("avx512vnni", leaf7.ecx, 11, zmm);
  note("avx512bf16", leaf7_1.eax, 5, zmm);
  note("avxvnni", leaf7_1.eax, 4, ymm);
  note("amx-tile", leaf7.edx, 24, tiles);
  note("amx-bf16", leaf7.edx, 22, tiles);
  note("amx-int8", leaf7.edx, 25, tiles);
  cpu.avx2_table = avx2 && fma && f16c;
  cpu.avx512_table = cpu.avx2_table && avx512f && avx512bw && avx512vl && avx512dq;
  return cpu;
}

#else

struct Cpu {
  std::string features;
};

Cpu Detect() {
#if defined(__aarch64__) || defined(_M_ARM64)
  return {"neon"};
#else
  return {""};
#endif
}

#endif

const Cpu& ThisCpu() {
  static const Cpu cpu = Detect();
  return cpu;
}

struct TableList {
  const KernelTable* tables[4] = {};

  TableList() {
    size_t count = 0;
#if defined(CROSSRANK_X86)
    if (ThisCpu().avx512_table) tables[count++] = &kAvx512Table;
    if (ThisCpu().avx2_table) tables[count++] = &kAvx2Table;
#endif
    tables[count++] = &kGenericTable;
  }
};

// CROSSRANK_CPU names a table to use instead of the fastest. A name that this CPU cannot run, or nobody
// knows, changes nothing.
const KernelTable* Choose() {
  const KernelTable* const* available = AvailableKernels();
  const char* wanted = std::getenv("CROSSRANK_CPU");
  for (size_t i = 0; wanted != nullptr && available[i] != nullptr; ++i) {
    if (std::strcmp(wanted, available[i]->name) == 0) return available[i];
  }
  return available[0];
}

}  // namespace

const KernelTable& Kernels() {
  static const KernelTable* const chosen = Choose();
  return *chosen;
}

const KernelTable* const* AvailableKernels() {
  static const TableList list;
  return list.tables;
}

const char* CpuFeatures() { return ThisCpu().features.c_str(); }

}  // namespace crossrank::kernels
