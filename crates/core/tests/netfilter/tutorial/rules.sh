#!/bin/sh
# Clear existing rules
iptables -F
iptables -X
iptables -t nat -F
iptables -t nat -X
# Set default policies
iptables -P INPUT DROP
iptables -P FORWARD DROP
iptables -P OUTPUT ACCEPT
# Allow loopback traffic
iptables -A INPUT -i lo -j ACCEPT
iptables -A OUTPUT -o lo -j ACCEPT
# Allow established and related connections
iptables -A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT
iptables -A FORWARD -m state --state ESTABLISHED,RELATED -j ACCEPT
# Allow SSH from management network only
iptables -A INPUT -s 192.168.100.0/24 -p tcp --dport 22 -j ACCEPT
# DMZ Rules (VLAN 10)
# Allow HTTP/HTTPS from anywhere to DMZ
iptables -A FORWARD -d 192.168.10.0/24 -p tcp --dport 80 -j ACCEPT
iptables -A FORWARD -d 192.168.10.0/24 -p tcp --dport 443 -j ACCEPT
# Allow DMZ to access DNS
iptables -A FORWARD -s 192.168.10.0/24 -p udp --dport 53 -j ACCEPT
iptables -A FORWARD -s 192.168.10.0/24 -p tcp --dport 53 -j ACCEPT
# Internal Network Rules (VLAN 20)
# Allow internal to access DMZ services
iptables -A FORWARD -s 192.168.20.0/24 -d 192.168.10.0/24 -p tcp --dport 80 -j ACCEPT
iptables -A FORWARD -s 192.168.20.0/24 -d 192.168.10.0/24 -p tcp --dport 443 -j ACCEPT
# Allow internal to access server network
iptables -A FORWARD -s 192.168.20.0/24 -d 192.168.30.0/24 -j ACCEPT
# Server Network Rules (VLAN 30)
# Allow specific services only
iptables -A FORWARD -s 192.168.20.0/24 -d 192.168.30.0/24 -p tcp --dport 3306 -j ACCEPT # MySQL
iptables -A FORWARD -s 192.168.20.0/24 -d 192.168.30.0/24 -p tcp --dport 5432 -j ACCEPT # PostgreSQL
# Management Network Rules (VLAN 100)
# Allow management to access all networks
iptables -A FORWARD -s 192.168.100.0/24 -j ACCEPT
# Deny inter-VLAN communication by default
iptables -A FORWARD -s 192.168.10.0/24 -d 192.168.20.0/24 -j DROP
iptables -A FORWARD -s 192.168.10.0/24 -d 192.168.30.0/24 -j DROP
iptables -A FORWARD -s 192.168.20.0/24 -d 192.168.10.0/24 -j DROP
# NAT for internet access
iptables -t nat -A POSTROUTING -o eth1 -j MASQUERADE
# Log dropped packets
iptables -A FORWARD -j LOG --log-prefix "DROPPED: "
iptables -A INPUT -j LOG --log-prefix "INPUT DROPPED: "
