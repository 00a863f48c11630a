// Runs a design in Verilator as fast as that goes: random words at the inputs, and the cycle of every beat that is
// taken at an output. "ends.h" is made from the network by sim_tests/free_running.py, which starts this and says what
// the files hold. The ends keep the contract of sim_tests/bench.py.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "Vtop.h"

struct End {
    void* data;
    size_t bytes;        // of the data that carry numbers
    uint64_t mask;       // of the bits of the last one that do
    size_t frame_beats;
    CData *valid, *ready, *last;
};

#include "ends.h"

struct Run {
    std::vector<char> gate;
    uint64_t left;
    uint64_t phase = 0, beat = 0;
    bool offering = false;
    std::vector<int64_t> cycles;

    Run(const std::string& gate_file, uint64_t beats) : left(beats) {
        std::ifstream file(gate_file, std::ios::binary);
        gate.assign(std::istreambuf_iterator<char>(file), {});
        if (gate.empty()) gate.push_back(1);
        cycles.reserve(beats);
    }
    bool opened() {
        bool open = gate[phase];
        if (++phase == gate.size()) phase = 0;
        return open;
    }
};

static uint64_t state = 88172645463325252u;

static uint64_t random_word() {  // xorshift64
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void offer(const End& end, Run& run) {
    bool open = run.opened();
    if (!run.offering && open && run.left) {
        run.offering = true;
        auto* bytes = static_cast<uint8_t*>(end.data);
        for (size_t i = 0; i < end.bytes; ++i) bytes[i] = static_cast<uint8_t>(random_word());
        bytes[end.bytes - 1] &= end.mask;
        *end.last = run.beat + 1 == end.frame_beats;
    }
    *end.valid = run.offering;
}

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "Arguments must be a folder, frames and patience in cycles\n");
        return 2;
    }
    const std::string folder = argv[1];
    const uint64_t frames = std::strtoull(argv[2], nullptr, 10), patience = std::strtoull(argv[3], nullptr, 10);
    auto context = std::make_unique<VerilatedContext>();
    auto top = std::make_unique<Vtop>(context.get());
    std::vector<End> inputs = inputs_of(*top), outputs = outputs_of(*top);
    std::vector<Run> sources, sinks;
    for (size_t i = 0; i < inputs.size(); ++i)
        sources.emplace_back(folder + "/gate_in_" + std::to_string(i) + ".bin", frames * inputs[i].frame_beats);
    for (size_t i = 0; i < outputs.size(); ++i)
        sinks.emplace_back(folder + "/gate_out_" + std::to_string(i) + ".bin", frames * outputs[i].frame_beats);

    for (const End& end : inputs) *end.valid = 0;
    for (const End& end : outputs) *end.ready = 0;
    top->rst = 1;
    for (int i = 0; i < 6; ++i) {
        top->clk = i & 1;
        top->eval();
    }
    top->rst = 0;

    const std::clock_t start = std::clock();
    uint64_t cycle = 0, progress = 0, waiting = outputs.size();
    while (waiting && cycle - progress <= patience) {
        top->clk = 0;
        for (size_t i = 0; i < inputs.size(); ++i) offer(inputs[i], sources[i]);
        for (size_t i = 0; i < outputs.size(); ++i) *outputs[i].ready = sinks[i].opened();
        top->eval();
        for (size_t i = 0; i < inputs.size(); ++i) {
            Run& run = sources[i];
            if (*inputs[i].valid && *inputs[i].ready) {
                run.offering = false;
                --run.left;
                if (++run.beat == inputs[i].frame_beats) run.beat = 0;
                progress = cycle;
            }
        }
        for (size_t i = 0; i < outputs.size(); ++i) {
            Run& run = sinks[i];
            if (*outputs[i].valid && *outputs[i].ready) {
                run.cycles.push_back(static_cast<int64_t>(cycle));
                waiting -= --run.left == 0;
                progress = cycle;
            }
        }
        top->clk = 1;
        top->eval();
        ++cycle;
    }
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;  // of the processor

    for (size_t i = 0; i < sinks.size(); ++i) {
        std::ofstream file(folder + "/taken_" + std::to_string(i) + ".bin", std::ios::binary);
        file.write(reinterpret_cast<const char*>(sinks[i].cycles.data()), sinks[i].cycles.size() * sizeof(int64_t));
    }
    std::printf("{\"cycles\": %llu, \"seconds\": %.9f, \"finished\": %s, \"frame_error\": %s}\n",
                static_cast<unsigned long long>(cycle), seconds, waiting ? "false" : "true",
                top->frame_error ? "true" : "false");
    return 0;
}
