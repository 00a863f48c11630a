// Testbench of {{ top }}, made by xnorflow. It is plain Verilog-2005 and needs no other tool.
//
// It reads sent_*.hex, expected_*.hex and cycles_*.hex from the folder in which the simulator runs, and makes three runs:
//   1. {{ frames }} frame{{ "s" if frames > 1 }} at full speed: every beat out is compared, in value, in tlast and in its cycle, and so
//      are latency and interval.
//   2. A beat with the wrong tlast sets frame_error, and a reset clears it.
//   3. The same frames with gaps from shift registers in tvalid and tready; everything is compared again.
// It ends with a line that begins with PASSED or FAILED. After FAILED the exit code of Icarus and of Verilator is not 0.
//
// Inputs change at the falling edge, in the middle of a cycle, where all outputs of the core are stable: they depend on
// its registers only.

// The cycles in which an end is open, while there are gaps: a pattern that begins anew after PERIOD cycles, and has
// phases in which the end is open half of the time, rarely, always, mostly, and never.
module {{ top }}_tb_gate #(
  parameter [15:0] SEED = 16'h1,
  parameter [9:0] PERIOD = 10'd1021,
  parameter [9:0] SHIFT = 10'd0
) (
  input wire clk,
  input wire running,
  input wire gaps,
  output wire open
);
  reg [15:0] lfsr = SEED;
  reg [9:0] phase = 10'd0;
  wire [9:0] place = phase + SHIFT;
  wire half = lfsr[0];
  wire rarely = lfsr[2:0] == 3'd0;
  wire mostly = lfsr[1:0] != 2'd0;
  wire some = place[6] ? (place[5] ? mostly : 1'b1) : (place[5] ? rarely : half);

  assign open = !gaps || (some && place[9:7] != 3'd5);

  always @(negedge clk)
    if (!running || phase == PERIOD - 10'd1) begin
      lfsr <= SEED;
      phase <= 10'd0;
    end else begin
      lfsr <= {lfsr[14:0], lfsr[15] ^ lfsr[13] ^ lfsr[12] ^ lfsr[10]};
      phase <= phase + 10'd1;
    end
endmodule

// Sends the words of a file as AXI4-Stream. A beat that is offered stays until it is accepted.
module {{ top }}_tb_source #(
  parameter WIDTH = 8,            // bits of tdata
  parameter BEATS = 1,            // beats of a frame
  parameter COUNT = 1,            // beats of all frames
  parameter SENT = "sent_0.hex",  // tdata of each beat
  parameter [15:0] SEED = 16'h1,
  parameter [9:0] PERIOD = 10'd1021,
  parameter [9:0] SHIFT = 10'd0
) (
  input wire clk,
  input wire running,             // 1 from the middle of cycle 0 on
  input wire gaps,
  input wire spoil,               // tlast of the first beat is wrong
  output reg [WIDTH-1:0] tdata,
  output reg tvalid,
  input wire tready,
  output reg tlast,
  output reg moved,               // a beat is transferred at the end of this cycle
  output reg [63:0] first,        // the cycle of the first beat
  output reg [31:0] next          // beats that have been transferred
);
  reg [WIDTH-1:0] words [0:COUNT-1];
  reg [63:0] cycle;
  reg [31:0] beat;
  reg holding;
  wire open;
  wire offer = (holding || open) && next < COUNT;

  {{ top }}_tb_gate #(.SEED(SEED), .PERIOD(PERIOD), .SHIFT(SHIFT)) gate (
    .clk(clk), .running(running), .gaps(gaps), .open(open)
  );

  initial begin
    $readmemh(SENT, words);
    tdata = {WIDTH{1'b0}};
    tvalid = 1'b0;
    tlast = 1'b0;
    moved = 1'b0;
    first = 64'd0;
    next = 32'd0;
    cycle = 64'd0;
    beat = 32'd0;
    holding = 1'b0;
  end

  always @(negedge clk)
    if (!running) begin
      tvalid <= 1'b0;
      moved <= 1'b0;
      next <= 32'd0;
      cycle <= 64'd0;
      beat <= 32'd0;
      holding <= 1'b0;
    end else begin
      cycle <= cycle + 64'd1;
      tvalid <= offer;
      moved <= offer && tready;
      holding <= offer && !tready;
      if (offer) begin
        tdata <= words[next];
        tlast <= (beat == BEATS - 1) ^ (spoil && next == 0);
      end else begin
        // The core must ignore what is not valid.
        tdata <= ~tdata;
        tlast <= !tlast;
      end
      if (offer && tready) begin
        if (next == 0) first <= cycle;
        next <= next + 32'd1;
        beat <= beat == BEATS - 1 ? 32'd0 : beat + 32'd1;
      end
    end
endmodule

// Takes beats and compares them with files.
module {{ top }}_tb_sink #(
  parameter NAME = "output",
  parameter WIDTH = 8,                    // bits of tdata
  parameter BEATS = 1,                    // beats of a frame
  parameter COUNT = 1,                    // beats of all frames
  parameter EXPECTED = "expected_0.hex",  // tdata of each beat
  parameter CYCLES = "cycles_0.hex",      // the cycle of each beat, at full speed and then with gaps
  parameter [15:0] SEED = 16'h1,
  parameter [9:0] PERIOD = 10'd1021,
  parameter [9:0] SHIFT = 10'd0
) (
  input wire clk,
  input wire running,
  input wire gaps,
  input wire [WIDTH-1:0] tdata,
  input wire tvalid,
  output reg tready,
  input wire tlast,
  output reg moved,
  output reg [31:0] next,                 // beats that have been transferred
  output reg [31:0] frames,               // of these, beats with tlast
  output reg [31:0] compared,             // beats compared in all runs
  output reg [31:0] errors,               // mismatches in all runs
  output reg [63:0] first,                // the cycle of the first frame's last beat
  output reg [63:0] previous,             // the cycle of the last but one frame's last beat
  output reg [63:0] last                  // the cycle of the last frame's last beat
);
  reg [WIDTH-1:0] words [0:COUNT-1];
  reg [63:0] cycles [0:2*COUNT-1];
  reg [63:0] cycle;
  reg [31:0] beat;
  reg holding, held_last;
  reg [WIDTH-1:0] held_data;
  wire open;
  wire final_beat = beat == BEATS - 1;
  wire [63:0] due = cycles[gaps ? next + COUNT : next];

  {{ top }}_tb_gate #(.SEED(SEED), .PERIOD(PERIOD), .SHIFT(SHIFT)) gate (
    .clk(clk), .running(running), .gaps(gaps), .open(open)
  );

  initial begin
    $readmemh(EXPECTED, words);
    $readmemh(CYCLES, cycles);
    tready = 1'b0;
    moved = 1'b0;
    next = 32'd0;
    frames = 32'd0;
    compared = 32'd0;
    errors = 32'd0;
    first = 64'd0;
    previous = 64'd0;
    last = 64'd0;
    cycle = 64'd0;
    beat = 32'd0;
    holding = 1'b0;
    held_last = 1'b0;
    held_data = {WIDTH{1'b0}};
  end

  // Counts a mismatch and returns whether it is one of the first, which are printed.
  reg printed;
  task mismatch;
    begin
      errors = errors + 32'd1;
      printed = errors <= 5;
    end
  endtask

  always @(negedge clk)
    if (!running) begin
      tready <= 1'b0;
      moved <= 1'b0;
      next <= 32'd0;
      frames <= 32'd0;
      cycle <= 64'd0;
      beat <= 32'd0;
      holding <= 1'b0;
    end else begin
      cycle <= cycle + 64'd1;
      tready <= open;
      moved <= open && tvalid;
      holding <= tvalid && !open;
      held_data <= tdata;
      held_last <= tlast;
      if (holding && (tvalid !== 1'b1 || tdata !== held_data || tlast !== held_last)) begin
        mismatch;
        if (printed) $display("MISMATCH %0s, cycle %0d: a beat must stay until it is taken, not change", NAME, cycle);
      end
      if (open && tvalid === 1'b1) begin
        next <= next + 32'd1;
        frames <= frames + (tlast === 1'b1 ? 32'd1 : 32'd0);
        beat <= final_beat ? 32'd0 : beat + 32'd1;
        if (final_beat) begin
          if (next == BEATS - 1) first <= cycle;
          previous <= last;
          last <= cycle;
        end
        if (next >= COUNT) begin
          mismatch;
          if (printed) $display("MISMATCH %0s, cycle %0d: one beat more than the %0d of all frames", NAME, cycle, COUNT);
        end else begin
          compared = compared + 32'd1;
          if (tdata !== words[next] || tlast !== final_beat) begin
            mismatch;
            if (printed)
              $display("MISMATCH %0s, frame %0d, beat %0d, cycle %0d: tdata must be %h and tlast %b, not %h and %b",
                       NAME, next / BEATS, beat, cycle, words[next], final_beat, tdata, tlast);
          end
          if (cycle !== due) begin
            mismatch;
            if (printed)
              $display("MISMATCH %0s, frame %0d, beat %0d: cycle must be %0d, not %0d",
                       NAME, next / BEATS, beat, due, cycle);
          end
        end
      end
    end
endmodule

module {{ top }}_tb;
  // Cycles without a beat at any end after which a run is stopped. The longest wait of the core is {{ longest_wait }}.
  localparam [63:0] PATIENCE = 64'd{{ patience }};
  localparam FRAMES = {{ frames }};
  localparam COMPARED = {{ compared }};
  localparam [63:0] LATENCY = 64'd{{ latency }};
{% if interval is not none %}
  localparam [63:0] INTERVAL = 64'd{{ interval }};
{% endif %}

  reg clk = 1'b1;
  reg resetting = 1'b1;
  reg running = 1'b0;
  reg gaps = 1'b0;
  reg spoil = 1'b0;
  reg complained = 1'b0;
  reg [31:0] failures = 32'd0;
  reg [63:0] idle = 64'd0;
  reg [63:0] latency, interval, start, stop, earlier, later;
  wire frame_error;
{% for port in inputs %}
  wire [{{ port.tdata_bits - 1 }}:0] {{ port.prefix }}_tdata;
  wire {{ port.prefix }}_tvalid, {{ port.prefix }}_tready, {{ port.prefix }}_tlast, sent_{{ loop.index0 }};
  wire [63:0] first_in_{{ loop.index0 }};
  wire [31:0] next_in_{{ loop.index0 }};
{% endfor %}
{% for port in outputs %}
  wire [{{ port.tdata_bits - 1 }}:0] {{ port.prefix }}_tdata;
  wire {{ port.prefix }}_tvalid, {{ port.prefix }}_tready, {{ port.prefix }}_tlast, taken_{{ loop.index0 }};
  wire [31:0] next_{{ loop.index0 }}, frames_{{ loop.index0 }}, compared_{{ loop.index0 }}, errors_{{ loop.index0 }};
  wire [63:0] first_{{ loop.index0 }}, previous_{{ loop.index0 }}, last_{{ loop.index0 }};
{% endfor %}

  wire moved = (|{ {%- for port in inputs %}sent_{{ loop.index0 }}, {% endfor %}{% for port in outputs %}taken_{{ loop.index0 }}{{ ", " if not loop.last }}{% endfor -%} }) === 1'b1;
  wire finished = {% for port in outputs %}next_{{ loop.index0 }} >= {{ port.beats * frames }}{{ " && " if not loop.last }}{% endfor %};
  wire [31:0] compared = {% for port in outputs %}compared_{{ loop.index0 }}{{ " + " if not loop.last }}{% endfor %};
  wire [31:0] errors = failures + {% for port in outputs %}errors_{{ loop.index0 }}{{ " + " if not loop.last }}{% endfor %};

  always #5 clk = !clk;

  {{ instance }} core (
    .{{ clock }}(clk),
    .{{ reset }}({{ "!" if active_low }}resetting),
{% for port in inputs + outputs %}
    .{{ port.prefix }}_tdata({{ port.prefix }}_tdata),
    .{{ port.prefix }}_tvalid({{ port.prefix }}_tvalid),
    .{{ port.prefix }}_tready({{ port.prefix }}_tready),
    .{{ port.prefix }}_tlast({{ port.prefix }}_tlast),
{% endfor %}
    .frame_error(frame_error)
  );

{% for port in inputs %}
  {{ top }}_tb_source #(
    .WIDTH({{ port.tdata_bits }}), .BEATS({{ port.beats }}), .COUNT({{ port.beats * frames }}), .SENT("{{ port.files.sent }}"),
    .SEED(16'h{{ "%04x"|format(port.gate.seed) }}), .PERIOD(10'd{{ port.gate.period }}), .SHIFT(10'd{{ port.gate.shift }})
  ) source_{{ loop.index0 }} (
    .clk(clk), .running(running), .gaps(gaps), .spoil(spoil), .tdata({{ port.prefix }}_tdata), .tvalid({{ port.prefix }}_tvalid),
    .tready({{ port.prefix }}_tready), .tlast({{ port.prefix }}_tlast), .moved(sent_{{ loop.index0 }}), .first(first_in_{{ loop.index0 }}),
    .next(next_in_{{ loop.index0 }})
  );
{% endfor %}
{% for port in outputs %}
  {{ top }}_tb_sink #(
    .NAME("{{ port.plain_name }}"), .WIDTH({{ port.tdata_bits }}), .BEATS({{ port.beats }}), .COUNT({{ port.beats * frames }}),
    .EXPECTED("{{ port.files.expected }}"), .CYCLES("{{ port.files.cycles }}"),
    .SEED(16'h{{ "%04x"|format(port.gate.seed) }}), .PERIOD(10'd{{ port.gate.period }}), .SHIFT(10'd{{ port.gate.shift }})
  ) sink_{{ loop.index0 }} (
    .clk(clk), .running(running), .gaps(gaps), .tdata({{ port.prefix }}_tdata), .tvalid({{ port.prefix }}_tvalid),
    .tready({{ port.prefix }}_tready), .tlast({{ port.prefix }}_tlast), .moved(taken_{{ loop.index0 }}), .next(next_{{ loop.index0 }}),
    .frames(frames_{{ loop.index0 }}), .compared(compared_{{ loop.index0 }}), .errors(errors_{{ loop.index0 }}), .first(first_{{ loop.index0 }}),
    .previous(previous_{{ loop.index0 }}), .last(last_{{ loop.index0 }})
  );
{% endfor %}

`ifdef XNORFLOW_DUMP
  initial begin
    $dumpfile("{{ top }}_tb.vcd");
    $dumpvars(0, {{ top }}_tb);
  end
`endif

  // Resets the core. Cycle 0 is the first without reset, and begins where this task ends.
  task restart;
    begin
      running = 1'b0;
      resetting = 1'b1;
      repeat (3) @(posedge clk);
      #1;
      resetting = 1'b0;
      running = 1'b1;
    end
  endtask

  // Waits until all beats have arrived, or nothing moves any more, and a little longer for beats too many.
  task watch;
    begin
      idle = 64'd0;
      complained = 1'b0;
      while (!finished && idle < PATIENCE) begin
        @(posedge clk);
        idle = moved ? 64'd0 : idle + 64'd1;
        if (frame_error !== 1'b0 && !complained) begin
          complained = 1'b1;
          failures = failures + 32'd1;
          $display("MISMATCH frame_error: must be 0, not %b", frame_error);
        end
      end
      if (!finished) begin
        failures = failures + 32'd1;
        $display("STOPPED: no beat has moved for %0d cycles", PATIENCE);
{% for port in inputs %}
        $display("  {{ port.plain_name }}: %0d of %0d beats, tvalid %b, tready %b", next_in_{{ loop.index0 }}, {{ port.beats * frames }}, {{ port.prefix }}_tvalid, {{ port.prefix }}_tready);
{% endfor %}
{% for port in outputs %}
        $display("  {{ port.plain_name }}: %0d of %0d beats, tvalid %b, tready %b", next_{{ loop.index0 }}, {{ port.beats * frames }}, {{ port.prefix }}_tvalid, {{ port.prefix }}_tready);
        if ({{ port.prefix }}_tvalid === 1'bx)
          $display("  {{ port.plain_name }}: tvalid is unknown; is the design compiled as Verilog-2005, and not as SystemVerilog?");
{% endfor %}
      end
      repeat (100) @(posedge clk);
{% for port in outputs %}
      if (frames_{{ loop.index0 }} != FRAMES) begin
        failures = failures + 32'd1;
        $display("MISMATCH {{ port.plain_name }}: frames must be %0d, not %0d", FRAMES, frames_{{ loop.index0 }});
      end
{% endfor %}
    end
  endtask

  task compare_times;
    begin
      start = first_in_0;
      stop = first_0;
      earlier = previous_0;
      later = last_0;
{% for port in inputs[1:] %}
      if (first_in_{{ loop.index }} < start) start = first_in_{{ loop.index }};
{% endfor %}
{% for port in outputs[1:] %}
      if (first_{{ loop.index }} > stop) stop = first_{{ loop.index }};
      if (previous_{{ loop.index }} > earlier) earlier = previous_{{ loop.index }};
      if (last_{{ loop.index }} > later) later = last_{{ loop.index }};
{% endfor %}
      latency = stop - start;
      interval = later - earlier;
      if (latency !== LATENCY) begin
        failures = failures + 32'd1;
        $display("MISMATCH latency of the first frame: must be %0d cycles, not %0d", LATENCY, latency);
      end
{% if interval is not none %}
      if (interval !== INTERVAL) begin
        failures = failures + 32'd1;
        $display("MISMATCH interval of the last frames: must be %0d cycles, not %0d", INTERVAL, interval);
      end
{% endif %}
    end
  endtask

  // Waits for the first beat, whose tlast is wrong, and for the mark of the error, which a reset must clear.
  task compare_frame_error;
    begin
      idle = 64'd0;
      while (!moved && idle < PATIENCE) begin
        @(posedge clk);
        idle = idle + 64'd1;
      end
      repeat (2) @(posedge clk);
      if (frame_error !== 1'b1) begin
        failures = failures + 32'd1;
        $display("MISMATCH frame_error: must be 1 after a wrong tlast, not %b", frame_error);
      end
    end
  endtask

  initial begin
    restart;
    watch;
    compare_times;
    $display("Run 1, full speed: {{ frames }} frame{{ "s" if frames > 1 }}, latency %0d cycles{% if frames > 1 %}, interval %0d cycles{% endif %}", latency{% if frames > 1 %}, interval{% endif %});

    spoil = 1'b1;
    restart;
    compare_frame_error;
    $display("Run 2, wrong tlast: frame_error %b", frame_error);

    spoil = 1'b0;
    gaps = 1'b1;
    restart;
    watch;
    $display("Run 3, gaps: {{ frames }} frame{{ "s" if frames > 1 }}, the last beat in cycle %0d", last_0);

    if (errors == 0 && compared >= COMPARED) begin
      $display("PASSED: %0d beats compared, in value and cycle", compared);
      $finish;
    end else begin
      $display("FAILED: %0d mismatches, %0d beats compared", errors, compared);
`ifdef VERILATOR
      $stop;
`elsif __ICARUS__
      $finish_and_return(1);
`else
      $finish;
`endif
    end
  end
endmodule
