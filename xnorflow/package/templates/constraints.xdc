# Constraints of {{ top }} for Vivado, to be filled in. Made by xnorflow.
# Inside a larger design only the clock matters, which that design constrains.

create_clock -name {{ clock }} -period {{ "%.3f"|format(period) }} [get_ports {{ clock }}]

# Delays outside the FPGA, in ns: fill in, and remove the mark of the comment.
{% for signal in signals %}
# set_{{ "input" if signal.direction == "in" else "output" }}_delay -clock {{ clock }} ??? [get_ports {{ "{" ~ signal.port ~ "[*]}" if signal.vector else signal.port }}]
{% endfor %}

# Pins: fill in, and remove the mark of the comment.
{% for pin in pins %}
# set_property -dict {PACKAGE_PIN ??? IOSTANDARD LVCMOS33} [get_ports { {{- pin -}} }]
{% endfor %}
