#!/bin/sh
set -e
iptables -P FORWARD DROP
iptables -F FORWARD
for net in 10.1.0.0/24 10.2.0.0/24; do
    iptables -A FORWARD -s "$net" -j ACCEPT
done
iptables -A FORWARD -m recent --name known --rcheck -j ACCEPT
iptables -A FORWARD -i eth0.20 -s 10.3.0.0/24 -o eth1 -p tcp --dport 443 -j ACCEPT
iptables -A FORWARD -j LOG
