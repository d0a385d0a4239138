// Decides which waiting pairs are scored next: cuts the pairs of all waiting requests into chunks, one chunk
// a run of the session.
//
// The policy. C is the tokens of a chunk, or of a single longer pair; all bounds are in tokens taken, for
// packed chunks.
//
// - Classes. Interactive requests go before bulk ones, but while both wait bulk gets an eighth: of any
// stretch
//   of T tokens at least T / 8 - C, and beside I interactive tokens at most (I + 8 C) / 7. So an interactive
//   request of up to ten chunks that comes to a queue of bulk work sees at most two chunks of it go before
//   its last pair, and what was running already.
// - Within a class, chunks go by turns to the oldest requests and to those with the fewest tokens left (ties:
//   the oldest), so that either gets half of the tokens, give or take a chunk. Hence
//   * a request of r tokens, with A tokens left of those admitted earlier, sees at most A + r + 2 C of later
//     ones go before its last pair;
//   * while no other has fewer tokens left, it sees at most r + 2 C of all others: 5 documents behind 10,000
//     are through after about twice their own work.
// - A chunk takes from the next requests in the order of its turn until one has pairs left that do not fit.
// The
//   pairs of a request go longest first, and what remains of a chunk is filled with the shortest; in the
//   order of the input where the request may be cut short, as the first stage's best candidates come first.
// - A padded model pays rows x longest: a chunk has neighbours in length of one request, and more rows from
//   others of the class, as far as they are nearly as long as its longest.
// - Towards the end, what is left of a class is shared out evenly over the lanes, so that they finish
// together.
// - The same pair (Work) is run once, for whichever of its requests comes first.
//
// The same calls give the same chunks. A step costs O(log requests) a pair taken. Not thread-safe: the engine
// guards it.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "engine/request.h"

namespace crossrank {

// A pair in a chunk, with the tokens of one of the requests that want it.
struct ChunkItem {
  std::shared_ptr<Request> request;
  uint32_t piece;  // of the request's
  uint32_t tokens;
  Work* work;  // valid until the scheduler is told how the run ended
};

struct ChunkLimits {
  size_t max_tokens;  // of a chunk; a single longer sequence is a chunk of its own
  size_t max_rows;    // sequences in a chunk
  bool padded;        // a chunk costs rows x its longest sequence
  size_t lanes;
};

class Scheduler {
 public:
  explicit Scheduler(const ChunkLimits& limits) : limits_(limits) {}

  // A request takes its place in the order of age; then jobs of its queue are added one by one. A job waits
  // from then on, or joins the run of its pair. Same keys tell same pairs; without one a pair is its own.
  // A job that is done may be added again, as the next window of its document, of as many tokens.
  void Admit(Request& request);
  void Add(Job& job, const PairKey* key);

  bool empty() const { return classes_[0].waiting == 0 && classes_[1].waiting == 0; }
  size_t waiting_tokens() const { return classes_[0].waiting_tokens + classes_[1].waiting_tokens; }
  bool waits(Priority priority) const { return classes_[static_cast<size_t>(priority)].waiting != 0; }

  // Appends the next chunk; nothing when nothing waits. What is in `chunk` is being run from now on, also
  // when memory runs out on the way.
  void Next(std::vector<ChunkItem>& chunk);

  // How the run ended. The item's work is done: its jobs, a list, leave the scheduler.
  Job* Finish(const ChunkItem& item) noexcept;
  // The run was ended: what is wanted waits again in its old place.
  void PutBack(const std::vector<ChunkItem>& chunk) noexcept;

  // The request and its jobs leave; work that others want stays. Does nothing where it is not in.
  void Remove(Request& request) noexcept;

  // Whether ending the run is worth it, a pair being wanted by nobody, and fair to those whose pairs would be
  // run again.
  static bool ShouldEnd(const std::vector<ChunkItem>& chunk);

 private:
  struct Place {
    size_t tokens;  // left waiting; SIZE_MAX where no pair waits
    uint64_t number;
    Request* request;
    bool operator<(const Place& other) const {
      return tokens != other.tokens ? tokens < other.tokens : number < other.number;
    }
  };
  struct Class {
    std::map<uint64_t, Request*> oldest;
    std::set<Place> fewest;
    size_t waiting = 0, waiting_tokens = 0;
    ptrdiff_t balance = 0;  // tokens by age less tokens by size, in [-C, C]
  };
  // While pairs of a request enter or leave, it is out of the set that is sorted by what is left of it.
  class Moving {
   public:
    Moving(Class& of, Request& request)
        : of_(of), request_(request), place_(of.fewest.extract(PlaceOf(request))) {}
    ~Moving() {
      place_.value() = PlaceOf(request_);
      of_.fewest.insert(std::move(place_));
    }
    Moving(const Moving&) = delete;
    Moving& operator=(const Moving&) = delete;

   private:
    Class& of_;
    Request& request_;
    std::set<Place>::node_type place_;
  };
  struct Filling {
    std::vector<ChunkItem>& items;
    size_t budget;
    size_t tokens = 0, longest = 0;
  };

  Class& ClassOf(const Request& request) { return classes_[static_cast<size_t>(request.options.priority)]; }
  size_t LeadingClass() const;
  size_t Budget(const Class& leading) const;
  Request* Oldest(Class& of);
  static Request* Fewest(Class& of);
  void FillByTurns(Class& of, Filling& chunk);
  void FillWithAlike(Class& of, Filling& chunk);
  // Takes what fits; false when pairs are left.
  bool TakeFrom(Request& request, Filling& chunk);
  bool Fits(const Filling& chunk, size_t tokens) const;
  void Take(Job& job, Filling& chunk);
  void Enter(Job& job) noexcept;
  void Leave(Job& job) noexcept;
  void Unlink(Job& job) noexcept;
  void Drop(Work& work) noexcept;
  static Place PlaceOf(Request& request);

  const ChunkLimits limits_;
  std::array<Class, kPriorities> classes_;
  std::unordered_map<PairKey, Work> works_;
  uint64_t admitted_ = 0, unshared_ = 0;
  ptrdiff_t owed_to_bulk_ = 0;  // in sevenths of a token
};

}  // namespace crossrank
