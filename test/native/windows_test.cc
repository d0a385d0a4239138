// How documents are cut into windows, over all small sizes and at the edges.
#include "engine/windows.h"

#include <algorithm>

#include "check.h"
#include "common/error.h"

namespace crossrank::testing {
namespace {

void CheckPlan(PairLengths whole, size_t room, const WindowOptions& options) {
  Checks::Get().context = "query " + std::to_string(whole.query) + ", document " +
                          std::to_string(whole.document) + ", room " + std::to_string(room) + ", window " +
                          std::to_string(options.tokens) + "/" + std::to_string(options.stride);
  const WindowPlan plan = PlanWindows(whole, room, Truncation::kLongestFirst, options);
  CHECK(plan.windows >= 1 && plan.query <= whole.query && plan.query + plan.tokens <= room);
  if (whole.query + whole.document <= room) {
    CHECK(plan.query == whole.query && plan.windows == 1 && plan.tokens == whole.document);
    return;
  }
  const size_t least = std::min({whole.document, kLeastWindowTokens, room / 2});
  CHECK(plan.query == std::min(whole.query, room - least));
  CHECK(plan.tokens == whole.document || plan.tokens == std::min(options.tokens, room - plan.query));
  CHECK(plan.window(0).first == 0);
  CHECK(plan.window(plan.windows - 1).end() == whole.document && plan.behind(plan.windows - 1) == 0);
  for (size_t i = 0; i < plan.windows; i++) {
    const Window window = plan.window(i);
    CHECK(window.tokens == plan.tokens && window.end() <= whole.document);
    if (i == 0) continue;
    const Window before = plan.window(i - 1);
    CHECK(before.first < window.first && window.first <= before.end());  // no gap, none twice
    CHECK(window.first - before.first <= plan.stride);
    if (i + 1 < plan.windows) CHECK(window.first - before.first == plan.stride);
  }
}

void TestEveryTokenIsInAWindow() {
  for (size_t query = 0; query < 24; query++) {
    for (size_t document = 0; document < 40; document++) {
      for (size_t room = 2; room < 20; room++) {
        CheckPlan({query, document}, room, {8, 4});
        CheckPlan({query, document}, room, {5, 5});
        CheckPlan({query, document}, room, {400, 1});
        CheckPlan({query, document}, room, {1, 1});
      }
    }
  }
  for (const size_t document : {509, 510, 511, 909, 910, 911, 5000, 1000003}) {
    for (const size_t query : {0, 1, 30, 109, 110, 444, 445, 446, 509, 510, 600})
      CheckPlan({query, document}, 509, {});
  }
}

void TestWindowsFollowTheQuery() {
  Checks::Get().context = "windows of 400 by 200";
  WindowPlan plan = PlanWindows({9, 1000}, 509, Truncation::kLongestFirst, {});
  CHECK(plan.tokens == 400 && plan.stride == 200 && plan.windows == 4 && plan.query == 9);
  CHECK(plan.window(2).first == 400 && plan.window(3).first == 600 && plan.window(3).end() == 1000);
  Checks::Get().context = "the last window is moved back";
  plan = PlanWindows({9, 1001}, 509, Truncation::kLongestFirst, {});
  CHECK(plan.windows == 5 && plan.window(4).first == 601);
  Checks::Get().context = "a long query makes windows and strides shorter";
  plan = PlanWindows({309, 1000}, 509, Truncation::kLongestFirst, {});
  CHECK(plan.query == 309 && plan.tokens == 200 && plan.stride == 100);
  Checks::Get().context = "a longer one gives way";
  plan = PlanWindows({500, 1000}, 509, Truncation::kLongestFirst, {});
  CHECK(plan.query == 445 && plan.tokens == kLeastWindowTokens && plan.stride == 32);
  Checks::Get().context = "but to no more than there is";
  plan = PlanWindows({500, 20}, 509, Truncation::kLongestFirst, {});
  CHECK(plan.query == 489 && plan.tokens == 20 && plan.windows == 1);
}

void TestLimits() {
  Checks::Get().context = "the first windows";
  WindowOptions options;
  options.max_windows = 2;
  const WindowPlan plan = PlanWindows({9, 1001}, 509, Truncation::kLongestFirst, options);
  CHECK(plan.windows == 2 && plan.window(1).first == 200 && plan.behind(1) == 401);
  Checks::Get().context = "a query that may not give way";
  CHECK(PlanWindows({445, 1000}, 509, Truncation::kDocument, {}).query == 445);
  bool refused = false;
  try {
    PlanWindows({446, 1000}, 509, Truncation::kDocument, {});
  } catch (const Error& error) {
    refused = error.code() == ErrorCode::kInvalidArgument;
  }
  CHECK(refused);
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank::testing;
  TestEveryTokenIsInAWindow();
  TestWindowsFollowTheQuery();
  TestLimits();
  return Checks::Get().Report();
}
