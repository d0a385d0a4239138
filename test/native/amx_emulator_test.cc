// The emulator of AMX against the instructions written plainly, so that what the kernels' tests find is the
// kernels'. On a CPU with AMX the same checks meet the CPU.
#include "amx_emulator.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "amx_permission.h"
#include "check.h"
#include "kernel_fixture.h"

namespace crossrank::testing {
namespace {

bool emulated = false;

struct alignas(64) Configuration {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  // All eight tiles.
  Configuration(int row_count, int bytes) {
    for (int t = 0; t < 8; ++t) {
      rows[t] = static_cast<uint8_t>(row_count);
      row_bytes[t] = static_cast<uint16_t>(bytes);
    }
  }
};

void Configure(const Configuration& c) { asm volatile("ldtilecfg %0" ::"m"(c) : "memory"); }
void Release() { asm volatile("tilerelease" ::: "memory"); }

struct alignas(64) Tile {
  uint8_t bytes[16][64];
};

#define LOAD(number, tile) \
  asm volatile("tileloadd (%0,%1,1), %%tmm" #number ::"r"(&(tile)), "r"(int64_t{64}) : "memory")
#define STORE(number, tile) \
  asm volatile("tilestored %%tmm" #number ", (%0,%1,1)" ::"r"(&(tile)), "r"(int64_t{64}) : "memory")

Tile RandomTile(unsigned seed) {
  Tile tile;
  std::mt19937 engine(seed);
  for (auto& row : tile.bytes) {
    for (uint8_t& byte : row) byte = static_cast<uint8_t>(engine());
  }
  return tile;
}

bool Same(const Tile& a, const Tile& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

void ConfigurationsAreKept() {
  Checks::Get().context = "configuration";
  Configuration c(7, 36), stored(1, 1);
  c.start_row = 3;
  c.rows[5] = 16;
  c.row_bytes[5] = 64;
  Configure(c);
  asm volatile("sttilecfg %0" : "=m"(stored)::"memory");
  CHECK(std::memcmp(&c, &stored, sizeof c) == 0);
  Release();
  asm volatile("sttilecfg %0" : "=m"(stored)::"memory");
  CHECK(stored.palette == 0 && stored.rows[0] == 0 && stored.row_bytes[5] == 0);
}

void TilesMoveThroughEveryKindOfAddress() {
  Checks::Get().context = "addresses";
  Configure(Configuration(16, 64));
  const Tile tile = RandomTile(1);
  Tile out[4] = {};
  const auto moved = [&](int at = 0) {
    const bool same = Same(tile, out[at]);
    std::memset(out, 0, sizeof out);
    asm volatile("tilezero %%tmm3" ::: "memory");
    return same;
  };
  LOAD(3, tile);
  STORE(3, out[0]);
  CHECK(moved());
  asm volatile("tileloaddt1 -128(%0,%1,4), %%tmm3" ::"r"(&tile.bytes[2]), "r"(int64_t{16}) : "memory");
  asm volatile("tilestored %%tmm3, 1024(%0,%1,8)" ::"r"(out), "r"(int64_t{8}) : "memory");
  CHECK(moved(1));
  // Registers whose numbers mean something else in ModRM and SIB.
  asm volatile("mov %0, %%r12; mov %1, %%r15; tileloadd (%%r12,%%r15,2), %%tmm3" ::"r"(&tile),
               "r"(int64_t{32})
               : "memory", "r12", "r15");
  asm volatile("mov %0, %%r13; mov %1, %%r9; tilestored %%tmm3, (%%r13,%%r9,1)" ::"r"(&out[2]),
               "r"(int64_t{64})
               : "memory", "r13", "r9");
  CHECK(moved(2));
  // Rows from the last to the first.
  asm volatile("tileloadd (%0,%1,1), %%tmm3" ::"r"(&tile.bytes[15]), "r"(int64_t{-64}) : "memory");
  STORE(3, out[3]);
  CHECK(std::memcmp(out[3].bytes[0], tile.bytes[15], 64) == 0 &&
        std::memcmp(out[3].bytes[15], tile.bytes[0], 64) == 0);
  moved();
  // No index: every row is the first.
  asm volatile("tileloadd (%0), %%tmm3" ::"r"(&tile) : "memory");
  STORE(3, out[0]);
  CHECK(std::memcmp(out[0].bytes[0], tile.bytes[0], 64) == 0 &&
        std::memcmp(out[0].bytes[9], tile.bytes[0], 64) == 0);
  asm volatile("tilezero %%tmm3" ::: "memory");
  STORE(3, out[0]);
  CHECK(Same(out[0], Tile{}));
  Release();
}

void SmallTilesTouchTheirOwnBytesAlone() {
  Checks::Get().context = "small tiles";
  Configuration c(5, 12);
  c.start_row = 2;
  Configure(c);
  const Tile tile = RandomTile(2);
  Tile out, expected;
  std::memset(&out, 0xEE, sizeof out);
  expected = out;
  for (int r = 2; r < 5; ++r) std::memcpy(expected.bytes[r], tile.bytes[r], 12);
  for (int r = 0; r < 2; ++r) std::memset(expected.bytes[r], 0, 12);
  LOAD(0, tile);  // from the start row, which it sets to zero
  STORE(0, out);
  CHECK(Same(out, expected));
  Release();
}

float Flushed(float x) { return std::fabs(x) < 1.17549435e-38f ? std::copysign(0.0f, x) : x; }

float Bf16At(const Tile& tile, int row, int element) {
  uint32_t bits = 0;
  std::memcpy(reinterpret_cast<char*>(&bits) + 2, &tile.bytes[row][2 * element], 2);
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return Flushed(value);
}

// Values of every size: NaN, infinity and denormals among them where `wild`.
Tile Bf16Tile(unsigned seed, bool wild) {
  Tile tile = RandomTile(seed);
  if (wild) return tile;
  for (auto& row : tile.bytes) {
    for (int i = 1; i < 64; i += 2) row[i] = static_cast<uint8_t>((row[i] & 0x80) | 0x3C | (row[i] & 3));
  }
  return tile;
}

void Bf16ProductsFollowTheManual() {
  for (unsigned seed = 0; seed < 40; ++seed) {
    const bool wild = seed % 2 == 1;
    Checks::Get().context = Join("tdpbf16ps", {seed});
    const int rows = seed < 4 ? 16 : 1 + seed * 7 % 16, depth = seed < 4 ? 16 : 1 + seed * 5 % 16;
    const int columns = seed < 4 ? 16 : 1 + seed * 3 % 16;
    Configuration c(16, 64);
    c.rows[0] = c.rows[1] = static_cast<uint8_t>(rows);
    c.row_bytes[1] = static_cast<uint16_t>(4 * depth);
    c.rows[2] = static_cast<uint8_t>(depth);
    c.row_bytes[0] = c.row_bytes[2] = static_cast<uint16_t>(4 * columns);
    const Tile a = Bf16Tile(100 + seed, wild), b = Bf16Tile(200 + seed, wild);
    Tile sums = Bf16Tile(300 + seed, wild), out = {};
    Configure(c);
    LOAD(0, sums);
    LOAD(1, a);
    LOAD(2, b);
    asm volatile("tdpbf16ps %%tmm2, %%tmm1, %%tmm0" ::: "memory");
    STORE(0, out);
    Release();
    for (int m = 0; m < rows; ++m) {
      for (int n = 0; n < columns; ++n) {
        float even = 0.0f, odd = 0.0f, start, actual;
        for (int k = 0; k < depth; ++k) {
          even = Flushed(std::fma(Bf16At(a, m, 2 * k), Bf16At(b, k, 2 * n), even));
          odd = Flushed(std::fma(Bf16At(a, m, 2 * k + 1), Bf16At(b, k, 2 * n + 1), odd));
        }
        std::memcpy(&start, &sums.bytes[m][4 * n], 4);
        std::memcpy(&actual, &out.bytes[m][4 * n], 4);
        const float expected = Flushed(Flushed(start) + Flushed(even + odd));
        CHECK(std::isnan(expected) ? std::isnan(actual) : std::memcmp(&actual, &expected, 4) == 0);
      }
    }
  }
}

template <class Left, class Right>
void CheckBytes(const Tile& a, const Tile& b, const Tile& start, const Tile& out) {
  for (int m = 0; m < 16; ++m) {
    for (int n = 0; n < 16; ++n) {
      uint32_t expected, actual;
      std::memcpy(&expected, &start.bytes[m][4 * n], 4);
      std::memcpy(&actual, &out.bytes[m][4 * n], 4);
      for (int k = 0; k < 64; ++k) {
        expected += static_cast<uint32_t>(static_cast<Left>(a.bytes[m][k]) *
                                          static_cast<Right>(b.bytes[k / 4][4 * n + k % 4]));
      }
      CHECK(actual == expected);
    }
  }
}

void ByteProductsFollowTheManual() {
  Checks::Get().context = "products of bytes";
  Configure(Configuration(16, 64));
  const Tile a = RandomTile(3), b = RandomTile(4), start = RandomTile(5);
  Tile out = {};
#define PRODUCT(name, Left, Right)                           \
  LOAD(0, start);                                            \
  LOAD(1, a);                                                \
  LOAD(2, b);                                                \
  asm volatile(name " %%tmm2, %%tmm1, %%tmm0" ::: "memory"); \
  STORE(0, out);                                             \
  CheckBytes<Left, Right>(a, b, start, out)
  PRODUCT("tdpbssd", int8_t, int8_t);
  PRODUCT("tdpbsud", int8_t, uint8_t);
  PRODUCT("tdpbusd", uint8_t, int8_t);
  PRODUCT("tdpbuud", uint8_t, uint8_t);
#undef PRODUCT
  Release();
}

void EveryThreadHasItsOwnTiles() {
  Checks::Get().context = "threads";
  Configure(Configuration(16, 64));
  const Tile mine = RandomTile(6), other = RandomTile(7);
  LOAD(7, mine);
  Tile stored = {};
  std::thread([&] {
    Configure(Configuration(16, 64));
    STORE(7, stored);
    CHECK(Same(stored, Tile{}));
    LOAD(7, other);
    Release();
  }).join();
  STORE(7, stored);
  CHECK(Same(stored, mine));
  Release();
}

// Runs `misuse` in a child, which must die: of the CPU's refusal, or saying why.
void ExpectRefusal(const char* message, void (*misuse)()) {
  Checks::Get().context = message;
  int ends[2];
  if (!CHECK(pipe(ends) == 0)) return;
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    misuse();
    _exit(0);
  }
  close(ends[1]);
  char text[512] = {};
  size_t length = 0;
  for (ssize_t n; (n = read(ends[0], text + length, sizeof text - 1 - length)) > 0;) length += n;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  if (emulated) CHECK(WTERMSIG(status) == SIGABRT && std::strstr(text, message) != nullptr);
}

void MisuseIsRefused() {
  ExpectRefusal("without a configuration", [] { asm volatile("tilezero %%tmm0" ::: "memory"); });
  ExpectRefusal("palette 2", [] {
    Configuration c(16, 64);
    c.palette = 2;
    Configure(c);
  });
  ExpectRefusal("17 rows", [] { Configure(Configuration(17, 64)); });
  ExpectRefusal("reserved byte", [] {
    Configuration c(16, 64);
    c.reserved[13] = 1;
    Configure(c);
  });
  ExpectRefusal("tile 4 is not configured", [] {
    Configuration c(16, 64);
    c.rows[4] = 0;
    c.row_bytes[4] = 0;
    Configure(c);
    asm volatile("tilezero %%tmm4" ::: "memory");
  });
  ExpectRefusal("start row 16", [] {
    Configuration c(16, 64);
    c.start_row = 16;
    Configure(c);
    Tile tile = {};
    LOAD(0, tile);
  });
  ExpectRefusal("do not fit", [] {
    Configuration c(16, 64);
    c.rows[1] = 8;
    Configure(c);
    asm volatile("tdpbusd %%tmm2, %%tmm1, %%tmm0" ::: "memory");
  });
  // tdpbf16ps tmm1, tmm2, tmm2: the assembler refuses it too.
  ExpectRefusal("uses a tile twice", [] {
    Configure(Configuration(16, 64));
    asm volatile(".byte 0xc4, 0xe2, 0x6a, 0x5c, 0xca" ::: "memory");
  });
  ExpectRefusal("not a VEX instruction", [] { asm volatile("ud2"); });
}

void ARefusalSaysWhy() {
  Checks::Get().context = "permission";
  const bool granted = kernels::RequestAmxPermission();
  CHECK(granted == (kernels::AmxRefusal()[0] == '\0'));
  CHECK(emulated || granted);
  std::printf("%s", kernels::AmxRefusal());
  if (!granted) std::printf(": ");
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank::testing;
  emulated = InstallAmxEmulator();
  std::printf("AMX %s: ", emulated ? "emulated" : "of the CPU");
  std::fflush(stdout);
  ConfigurationsAreKept();
  TilesMoveThroughEveryKindOfAddress();
  SmallTilesTouchTheirOwnBytesAlone();
  Bf16ProductsFollowTheManual();
  ByteProductsFollowTheManual();
  EveryThreadHasItsOwnTiles();
  MisuseIsRefused();
  ARefusalSaysWhy();
  return Checks::Get().Report();
}
