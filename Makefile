# What each target does is written in tools/.
SHELL := /bin/bash
PYTHON ?= python3
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help setup demo test train-small montage evaluate bench colcon-test clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile

setup:  ## set up the environment under build/ (the other targets do it too)
	@tools/check_needs
	@mkdir -p build && flock build/lock $(PYTHON) tools/set_up.py

demo: setup  ## run the rig and write out/demo/; ARGS="--visible V --infrared I" for files of your own
	@tools/run python -m tardal_ros demo $(ARGS)

test: setup  ## run every check and test; ARGS go to pytest
	@tools/run tools/test $(ARGS)

train-small: setup  ## train a generator and then a detector with it for a few minutes, into out/train-small/
	@tools/run python -m tardal_ros train --config config/train/short_dt.yaml --out out/train-small/dt
	@tools/run python -m tardal_ros train --config config/train/short_ct.yaml --out out/train-small/ct

montage: setup  ## write out/montage/; ARGS="--data FOLDER --fusers average laplacian", real pairs fused side by side
	@tools/run python -m tardal_ros montage $(ARGS)

evaluate: setup  ## compare all fusers on a rendered bag and on ../shared/data, into out/evaluation/
	@tools/run tools/evaluate $(ARGS)

bench: setup  ## run the benchmarks, which write out/bench.json
	@tools/run python -m benchmarks $(ARGS)

colcon-test: setup  ## run the tests as `colcon test` does, on the installed package
	@tools/run tools/colcon_test

clean:  ## remove everything that was built
	rm -rf build out
