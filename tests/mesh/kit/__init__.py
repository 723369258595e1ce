# SPDX-License-Identifier: Apache-2.0
"""What the mesh tests run on: brokers, gateways, clients and faults, each ended with its test."""
