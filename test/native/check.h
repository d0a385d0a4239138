// The few macros that the native tests need. A failed check prints where and why, and the test goes on.
#pragma once

#include <cmath>
#include <cstdio>
#include <string>

namespace crossrank::testing {

struct Checks {
  long passed = 0, failed = 0;
  std::string context;  // what is being tested, printed with a failure

  static Checks& Get() {
    static Checks checks;
    return checks;
  }

  bool Count(bool ok, const char* file, int line, const std::string& what) {
    if (ok) {
      ++passed;
    } else if (++failed <= 50) {
      std::fprintf(stderr, "%s:%d: [%s] %s\n", file, line, context.c_str(), what.c_str());
    }
    return ok;
  }

  // Prints the totals; the result is the process's exit status.
  int Report() const {
    std::printf("%ld passed, %ld failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
  }
};

inline std::string NearMessage(const char* what, double actual, double expected, double tolerance) {
  char text[256];
  std::snprintf(text, sizeof text, "%s: got %.9g, expected %.9g within %.3g", what, actual, expected,
                tolerance);
  return text;
}

}  // namespace crossrank::testing

#define CHECK(condition) \
  ::crossrank::testing::Checks::Get().Count((condition), __FILE__, __LINE__, #condition)

// NaN is never near anything.
#define CHECK_NEAR(actual, expected, tolerance)                            \
  ::crossrank::testing::Checks::Get().Count(                               \
      std::fabs((actual) - (expected)) <= (tolerance), __FILE__, __LINE__, \
      ::crossrank::testing::NearMessage(#actual, (actual), (expected), (tolerance)))
