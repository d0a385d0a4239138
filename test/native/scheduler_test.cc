// The policy that scheduler.h states, held against random schedules under a simulated clock.
#include "engine/scheduler.h"

#include <set>

#include "simulation.h"

namespace crossrank::testing {
namespace {

constexpr size_t kUnlimited = std::numeric_limits<size_t>::max();

std::vector<uint32_t> Lengths(std::mt19937& random, size_t pairs, size_t longest) {
  std::vector<uint32_t> tokens(pairs);
  for (uint32_t& each : tokens) each = static_cast<uint32_t>(5 + random() % longest);
  return tokens;
}

std::shared_ptr<Request> RandomRequest(std::mt19937& random) {
  const size_t pairs = random() % 8 == 0 ? 100 + random() % 200 : 1 + random() % 12;
  const size_t longest = random() % 3 == 0 ? 600 : 120;
  return RequestOf(Lengths(random, pairs, longest),
                   random() % 3 == 0 ? Priority::kBulk : Priority::kInteractive, random() % 4 == 0);
}

// Pairs out of a few, so that requests have them in common.
std::vector<PairKey> SomeKeys(const std::shared_ptr<Request>& request, std::mt19937& random) {
  std::vector<PairKey> keys(request->queue.jobs().size());
  for (const Job& job : request->queue.jobs()) keys[job.piece] = {7 + random() % 40, job.tokens};
  return keys;
}

const ChunkLimits kLimits[] = {{512, kUnlimited, false, 1}, {512, kUnlimited, false, 4},
                               {64, kUnlimited, false, 2},  {1, kUnlimited, false, 2},
                               {16384, 32, true, 2},        {512, 4, true, 3}};

void TestEveryPairOnce() {
  std::mt19937 random(1);
  for (int round = 0; round < 1500; round++) {
    Checks::Get().context =
        "every pair is scored once or its request has gone, round " + std::to_string(round);
    Simulation simulation(kLimits[round % std::size(kLimits)]);
    std::vector<std::shared_ptr<Request>> requests;
    for (size_t i = 0; i < 12; i++) {
      requests.push_back(RandomRequest(random));
      simulation.Add(requests.back(),
                     round % 2 == 0 ? std::vector<PairKey>() : SomeKeys(requests.back(), random));
      for (size_t steps = random() % 4; steps > 0; steps--) {
        simulation.Fill();
        if (random() % 4 == 0) simulation.Remove(*requests[random() % requests.size()]);
        simulation.Fill();
        simulation.Advance();
      }
    }
    simulation.Finish();
    simulation.CheckEveryPairOnce();
  }
}

void TestSamePairsRunOnce() {
  Checks::Get().context = "the same pair is run once for all requests";
  Simulation simulation({512, kUnlimited, false, 2});
  const std::vector<PairKey> keys = {{1, 1}, {1, 2}, {1, 1}, {1, 3}};
  std::vector<std::shared_ptr<Request>> requests;
  for (int i = 0; i < 5; i++) {
    requests.push_back(
        RequestOf({300, 300, 300, 300}, i % 2 == 0 ? Priority::kBulk : Priority::kInteractive));
    simulation.Add(requests.back(), keys);
    simulation.Fill();  // later ones join what is being run
  }
  simulation.Remove(*requests[0]);  // the first of those whose pairs are run
  simulation.Finish();
  simulation.CheckEveryPairOnce();
  CHECK(simulation.runs() == 3);
}

void TestBounds() {
  std::mt19937 random(2);
  size_t judged = 0;
  for (int round = 0; round < 1500; round++) {
    Checks::Get().context = "bounds of waiting, round " + std::to_string(round);
    const size_t chunk = round % 2 == 0 ? 512 : 700;
    Simulation simulation({chunk, kUnlimited, false, 1 + static_cast<size_t>(round % 4)});
    for (size_t i = 0; i < 15; i++) {
      simulation.Add(RandomRequest(random));
      for (size_t steps = random() % 6; steps > 0 && simulation.Fill(); steps--) simulation.Advance();
    }
    simulation.Finish();
    const size_t longest = std::max<size_t>(chunk, 605);
    for (const auto& [request, seen] : simulation.all()) {
      CHECK(seen.later <= seen.earlier + seen.tokens + 2 * longest);
      if (!seen.fewest || seen.request->options.on_timeout != OnTimeout::kError) continue;
      CHECK(seen.others <= seen.tokens + 2 * longest);
      judged++;
    }
  }
  CHECK(judged > 1000);
}

void TestFiveBehindTenThousand() {
  Checks::Get().context = "5 documents behind 10,000";
  std::mt19937 random(3);
  Simulation simulation({512, kUnlimited, false, 2});
  simulation.Add(RequestOf(Lengths(random, 10000, 120)));
  simulation.Fill();
  const auto small = RequestOf(Lengths(random, 5, 120));
  simulation.Add(small);
  simulation.Finish();
  // The chunks that ran, two more, and twice its own.
  CHECK(simulation.seen(small).through <= 3 * 512 + 2 * simulation.seen(small).tokens);
}

// However many small requests come, the large one goes on.
void TestLargeRequestIsNotStarved() {
  Checks::Get().context = "a large request among an endless stream of small ones";
  std::mt19937 random(4);
  Simulation simulation({512, kUnlimited, false, 1});
  const auto large = RequestOf(Lengths(random, 1000, 120));
  simulation.Add(large);
  for (int i = 0; i < 3000 && simulation.seen(large).scored.size() < 1000; i++) {
    simulation.Add(RequestOf(Lengths(random, 10, 120)));
    simulation.Fill();
    simulation.Advance();
  }
  CHECK(simulation.seen(large).scored.size() == 1000);
  CHECK(simulation.seen(large).through <= 2 * simulation.seen(large).tokens + 3 * 512);
}

void TestClasses() {
  std::mt19937 random(5);
  for (int round = 0; round < 200; round++) {
    Checks::Get().context = "interactive goes first and bulk gets an eighth, round " + std::to_string(round);
    Simulation simulation({512, kUnlimited, false, 1 + static_cast<size_t>(round % 3)});
    for (int i = 0; i < 40; i++)
      simulation.Add(RequestOf(Lengths(random, 1 + random() % 60, 200),
                               i % 2 == 0 ? Priority::kBulk : Priority::kInteractive));
    simulation.Finish();
    const auto& chunks = simulation.contested();
    CHECK(chunks.size() > 5);
    for (size_t first = 0; first < chunks.size(); first++) {
      size_t interactive = 0, bulk = 0;
      bool share = true, limit = true;
      for (size_t i = first; i < chunks.size(); i++) {
        interactive += chunks[i][0];
        bulk += chunks[i][1];
        share = share && 8 * (bulk + 512) >= interactive + bulk;
        limit = limit && 7 * bulk <= interactive + 8 * 512;
      }
      CHECK(share);
      CHECK(limit);
    }
  }
}

void TestInteractiveAmongBulk() {
  std::mt19937 random(6);
  for (size_t lanes : {1, 2, 4}) {
    for (int round = 0; round < 100; round++) {
      Checks::Get().context = "10 interactive documents in a queue of bulk, round " + std::to_string(round);
      Simulation simulation({512, kUnlimited, false, lanes});
      for (int i = 0; i < 20; i++) simulation.Add(RequestOf(Lengths(random, 100, 400), Priority::kBulk));
      // Interactive work that went before has left what it has.
      simulation.Add(RequestOf(Lengths(random, random() % 50, 400)));
      for (size_t steps = 60 + random() % 40; steps > 0; steps--) {
        simulation.Fill();
        simulation.Advance();
      }
      simulation.Fill();
      const auto request = RequestOf(Lengths(random, 10, 500));
      const size_t came = simulation.now();
      simulation.Add(request);
      simulation.Finish();
      CHECK(simulation.seen(request).through - came <= 3 * 512 + simulation.seen(request).tokens);
    }
  }
}

void TestSameCallsSameChunks() {
  Checks::Get().context = "the same calls give the same chunks";
  std::vector<std::pair<uint64_t, uint32_t>> first;
  for (int run = 0; run < 2; run++) {
    std::mt19937 random(7);
    Simulation simulation({512, kUnlimited, false, 2});
    for (int i = 0; i < 50; i++) {
      simulation.Add(RandomRequest(random));
      simulation.Fill();
      simulation.Advance();
    }
    simulation.Finish();
    if (run == 0) first = simulation.taken();
    CHECK(simulation.taken() == first);
  }
}

// What is left over at the end of a chunk is filled with the shortest pairs.
void TestChunksAreFull() {
  Checks::Get().context = "chunks are full";
  std::mt19937 random(8);
  Simulation one({512, kUnlimited, false, 1}), many({512, kUnlimited, false, 1});
  const std::vector<uint32_t> tokens = Lengths(random, 2000, 120);
  one.Add(RequestOf(tokens));
  for (size_t first = 0; first < tokens.size(); first += 20)
    many.Add(RequestOf({tokens.begin() + static_cast<ptrdiff_t>(first),
                        tokens.begin() + static_cast<ptrdiff_t>(first + 20)}));
  for (Simulation* simulation : {&one, &many}) {
    size_t chunks = 0;
    for (; simulation->Fill(); simulation->Advance()) chunks++;
    CHECK(static_cast<double>(simulation->now()) / (512.0 * static_cast<double>(chunks)) > 0.9);
  }
}

void TestSmallRequestOccupiesEveryLane() {
  Checks::Get().context = "a small request is cut for every lane";
  Scheduler scheduler({512, kUnlimited, false, 2});
  const auto request = RequestOf({100, 100, 100, 100});
  AddTo(scheduler, *request);
  std::vector<ChunkItem> chunk;
  scheduler.Next(chunk);
  CHECK(chunk.size() == 2);
  CHECK(!scheduler.empty());
}

void TestSmallRequestsShareAChunk() {
  for (const bool padded : {false, true}) {
    Checks::Get().context = padded ? "small requests share a padded chunk" : "small requests share a chunk";
    Scheduler scheduler({512, 32, padded, 1});
    std::vector<std::shared_ptr<Request>> requests;
    for (uint32_t tokens : {20, 20, 20, 19, 20, 3}) {
      requests.push_back(RequestOf({tokens}));
      AddTo(scheduler, *requests.back());
    }
    std::vector<ChunkItem> chunk;
    scheduler.Next(chunk);
    CHECK(chunk.size() == (padded ? 5 : 6));  // 3 tokens would be padded to 20
  }
}

void TestInputOrder() {
  Checks::Get().context = "a request that may be cut short goes in input order, and is put back in its place";
  Scheduler scheduler({100, kUnlimited, false, 1});
  const auto request = RequestOf({50, 10, 90, 40, 5, 60}, Priority::kInteractive, true);
  const auto other = RequestOf({40, 40, 40, 40, 40, 40, 40, 40, 40});
  AddTo(scheduler, *request);
  std::vector<uint32_t> order;
  std::vector<ChunkItem> chunk;
  scheduler.Next(chunk);
  CHECK(chunk.size() == 2 && chunk[0].piece == 0 && chunk[1].piece == 1);
  scheduler.PutBack(chunk);
  AddTo(scheduler, *other);
  while (!scheduler.empty()) {
    chunk.clear();
    scheduler.Next(chunk);
    for (const ChunkItem& item : chunk) {
      if (item.request == request) order.push_back(item.piece);
      scheduler.Finish(item);
    }
  }
  CHECK((order == std::vector<uint32_t>{0, 1, 2, 3, 4, 5}));
}

void TestRunsAreNotEndedForever() {
  Checks::Get().context = "a pair that was put back twice is run to its end";
  Scheduler scheduler({512, kUnlimited, false, 1});
  const auto patient = RequestOf({200});
  AddTo(scheduler, *patient);
  std::vector<ChunkItem> chunk;
  for (int i = 0; i < 3; i++) {
    const auto hasty = RequestOf({100});
    AddTo(scheduler, *hasty);
    chunk.clear();
    scheduler.Next(chunk);
    CHECK(chunk.size() == 2);
    CHECK(!Scheduler::ShouldEnd(chunk));
    scheduler.Remove(*hasty);
    CHECK(Scheduler::ShouldEnd(chunk) == (i < 2));
    if (i < 2) scheduler.PutBack(chunk);
  }
  for (const ChunkItem& item : chunk) scheduler.Finish(item);
  CHECK(scheduler.empty());
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank::testing;
  TestEveryPairOnce();
  TestSamePairsRunOnce();
  TestBounds();
  TestFiveBehindTenThousand();
  TestLargeRequestIsNotStarved();
  TestClasses();
  TestInteractiveAmongBulk();
  TestSameCallsSameChunks();
  TestChunksAreFull();
  TestSmallRequestOccupiesEveryLane();
  TestSmallRequestsShareAChunk();
  TestInputOrder();
  TestRunsAreNotEndedForever();
  return Checks::Get().Report();
}
