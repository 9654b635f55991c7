#!/usr/bin/env perl
# A second reducer, written from the description of the format and not from supervisor/status, so that a mistake would have
# to be made twice. Slow and plain on purpose. Perl is here because git brings it along.
#
#   reduce.pl vectors DIR               each DIR/*/status.events.jsonl reduced here equals its expected.json
#   reduce.pl random PROGRAM COUNT SEED  COUNT random logs, reduced here and by PROGRAM, byte for byte
use strict;
use warnings;
use JSON::PP;

my $json   = JSON::PP->new->utf8->allow_nonref;
my $row    = JSON::PP->new->ascii->canonical->space_before(0)->space_after;
my $pretty = JSON::PP->new->utf8->canonical->indent->indent_length(2)->space_after;
my @LANES  = qw(planned claimed in_progress for_review in_review approved done blocked canceled);
my @CARRIED = qw(shell_pid shell_pid_created_at subtasks notes tracker_refs agent assignee review role
	agent_profile agent_profile_version model provider review_result);
my @REPLACED = qw(shell_pid shell_pid_created_at agent assignee role agent_profile agent_profile_version model provider);

# ---- reading ----

# Transitions, annotations, retrospective rows; dies on a row that makes a log unreadable.
sub read_log {
	my ($text) = @_;
	my (@moves, @notes, @retro, %seen);
	my $number = 0;
	for my $line (split /\n/, $text) {
		$number++;
		next if $line =~ /^\s*$/;
		my $r = eval { $json->decode($line) };
		die "line $number\n" if $@ || ref $r ne 'HASH';
		if (defined $r->{kind}) {
			die "line $number\n" if $r->{kind} ne 'annotation';
			push @notes, $r;
		} elsif (defined $r->{event_name} && $r->{event_name} =~ /^retrospective\./) {
			push @retro, $r;
		} elsif (($r->{type} // '') =~ /^Retrospective(Captured|CaptureFailed|Skipped)$/ || exists $r->{event_type}) {
			next;
		} else {
			die "line $number\n" unless defined $r->{event_id} && lane_of($r->{to_lane});
			push @moves, $r unless $seen{$r->{event_id}}++;
		}
	}
	return (in_order(@moves), in_order(@notes), in_order(@retro));
}

sub lane_of { my ($name) = @_; return defined $name && scalar grep { $_ eq $name } @LANES, 'genesis', 'uninitialized' }

sub in_order { return [sort { $a->{at} cmp $b->{at} || $a->{event_id} cmp $b->{event_id} } @_] }

# ---- transitions ----

sub is_rollback {
	my ($e) = @_;
	return 0 if $e->{to_lane} ne 'in_progress';
	return $e->{from_lane} eq 'in_review' || ($e->{from_lane} eq 'for_review' && defined $e->{review_ref});
}

sub actor_text {
	my ($actor) = @_;
	return $actor unless ref $actor;
	return $actor->{tool} || $actor->{role} || '';
}

sub fold {
	my ($cur, $e) = @_;
	my %next = map { exists $cur->{$_} ? ($_ => $cur->{$_}) : () } @CARRIED;
	$next{lane}               = $e->{to_lane};
	$next{actor}              = actor_text($e->{actor});
	$next{last_transition_at} = $e->{at};
	$next{last_event_id}      = $e->{event_id};
	$next{force_count}        = ($cur->{force_count} // 0) + ($e->{force} ? 1 : 0);
	if ($e->{from_lane} eq 'planned' && $e->{to_lane} eq 'claimed' && $e->{policy_metadata}) {
		my $m = $e->{policy_metadata};
		for my $key (qw(shell_pid shell_pid_created_at)) { $next{$key} = $m->{$key} if defined $m->{$key} }
		$next{agent} = $m->{agent} if defined $m->{agent} && $m->{agent} ne '';
	}
	if (defined $e->{review_result}) { $next{review_result} = $e->{review_result} }
	elsif ($e->{from_lane} eq 'in_review') { $next{review_result} = undef }
	return \%next;
}

# ---- annotations ----

sub unseen { my ($have, @more) = @_; my %is = map { $_ => 1 } @$have; return [@$have, grep { !$is{$_}++ } @more] }

sub apply {
	my ($wp, $d) = @_;
	if ($d->{release_runtime_claim}) { $wp->{$_} = undef for qw(agent shell_pid shell_pid_created_at) }
	for my $key (@REPLACED) { $wp->{$key} = $d->{$key} if defined $d->{$key} && $d->{$key} ne '' }
	if (defined $d->{subtasks}) { $wp->{subtasks} = {%{$wp->{subtasks} // {}}, %{$d->{subtasks}}} }
	if (defined $d->{note}) { $wp->{notes} = [@{$wp->{notes} // []}, $d->{note}] }
	if (defined $d->{tracker_refs_replace}) { $wp->{tracker_refs} = unseen([], @{$d->{tracker_refs_replace}}) }
	elsif (defined $d->{tracker_refs}) { $wp->{tracker_refs} = unseen($wp->{tracker_refs} // [], @{$d->{tracker_refs}}) }
	if (defined $d->{review}) {
		my $r = $d->{review};
		$wp->{review} = (grep { ($r->{$_} // '') ne '' } qw(actor at reason wp_id)) ? $r : undef;
	}
	return;
}

# ---- the whole ----

sub retrospective {
	my @rows = @_;
	my %out = (status => 'pending', record_path => undef, mode => undef);
	my %count = (generated => 0, applied => 0, rejected => 0);
	for my $e (@rows) {
		my ($what) = $e->{event_name} =~ /^retrospective\.(.*)/;
		if ($what =~ /^(completed|skipped|failed)$/) {
			$out{status} = $what;
			$out{record_path} = $e->{payload}{record_path};
		} elsif ($what eq 'requested') { $out{mode} = $e->{payload}{mode} }
		elsif ($what =~ /^proposal\.(\w+)$/ && exists $count{$1}) { $count{$1}++ }
	}
	my $left = $count{generated} - $count{applied} - $count{rejected};
	return {%out, proposals_total => $count{generated}, proposals_applied => $count{applied},
		proposals_rejected => $count{rejected}, proposals_pending => $left > 0 ? $left : 0};
}

sub reduce {
	my ($text, $meta) = @_;
	my ($moves, $notes, $retro) = read_log($text);
	my (%wps, %by);
	for my $e (@$moves) {
		my $cur = $wps{$e->{wp_id}};
		next if $cur && $cur->{last_transition_at} eq $e->{at} && $by{$e->{wp_id}} && !is_rollback($e);
		$wps{$e->{wp_id}} = fold($cur // {}, $e);
		$by{$e->{wp_id}} = is_rollback($e);
	}
	for my $a (@$notes) {
		$wps{$a->{wp_id}} //= {lane => 'uninitialized', actor => actor_text($a->{actor}), force_count => 0,
			last_transition_at => undef, last_event_id => undef};
		apply($wps{$a->{wp_id}}, $a->{delta});
	}
	my %summary = map { $_ => 0 } @LANES;
	for my $wp (values %wps) { $summary{$wp->{lane}}++ if exists $summary{$wp->{lane}} }
	my $slug = @$moves ? $moves->[0]{mission_slug} // $moves->[0]{feature_slug} : '';
	my $number = $meta->{mission_number};
	$number += 0 if defined $number && $number =~ /^\d+$/;
	$number = $slug =~ /^(\d{3})-/ ? $1 + 0 : '' unless defined $number;
	my %out = (mission_slug => $slug, mission_number => "$number", mission_type => $meta->{mission_type} // '',
		materialized_at => @$moves ? $moves->[-1]{at} : '', event_count => scalar @$moves,
		last_event_id => @$moves ? $moves->[-1]{event_id} : undef, work_packages => \%wps, summary => \%summary);
	$out{retrospective} = retrospective(@$retro) if @$retro;
	return $pretty->encode(\%out);
}

# ---- against the vectors ----

sub slurp { my ($path) = @_; open my $in, '<:raw', $path or return; local $/ = undef; return scalar <$in> }

sub vectors {
	my ($dir) = @_;
	my ($equal, $refused) = (0, 0);
	for my $folder (sort glob "$dir/*") {
		my $meta = $json->decode(slurp("$folder/meta.json") // '{}');
		my $got  = eval { reduce(slurp("$folder/status.events.jsonl") // '', $meta) };
		my $wanted = slurp("$folder/expected.json");
		if (!defined $wanted) { defined $got and die "$folder was to be refused\n"; $refused++; next }
		defined $got or die "$folder: refused: $@";
		$got eq $wanted or die "$folder: another snapshot:\n$got";
		$equal++;
	}
	print "$equal vectors equal, $refused refused\n";
	die "no vectors in $dir\n" unless $equal > 100 && $refused > 0;
	return;
}

# ---- random logs ----

sub one { return $_[int rand @_] }
sub maybe { my ($n, @what) = @_; return rand() < 1 / $n ? @what : () }
sub id { return sprintf '01%s%s', one('K', 'M', 'N'), join '', map { one(split //, '0123456789ABCDEFGHJKMNPQRSTVWXYZ') } 1 .. 23 }
sub at { return one('2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00.000001+00:00', '2026-01-01T00:00:00Z',
		'2025-12-31T23:59:59+00:00', sprintf '2026-01-%02dT10:00:%02d+00:00', 1 + rand 28, rand 60) }
sub text { return one('', 'n', "\x{fc}n\x{ef}", "a \"b\" \\ c", "line\nline\ttab", "\x{1f431} \x{2028}", '/') }
sub wp { return sprintf 'WP%02d', 1 + rand 5 }
sub actor { return one('a', 'b', {tool => text(), role => 'implementer', profile => undef, model => undef}) }

sub move {
	my ($known) = @_;
	my ($from, $to) = rand() < 0.3 ? ('planned', 'claimed') : rand() < 0.2 ? (one('in_review', 'for_review'), 'in_progress')
		: (one(@LANES, 'genesis'), one(@LANES));
	return {event_id => (@$known && rand() < 0.05 ? one(@$known) : id()), wp_id => wp(), at => at(), actor => actor(),
		from_lane => $from, to_lane => $to, force => one(JSON::PP::true, JSON::PP::false), execution_mode => 'worktree',
		evidence => undef, reason => one(undef, text()), review_ref => one(undef, 'feedback://x'),
		one('mission_slug', 'feature_slug') => 'random',
		policy_metadata => one(undef, {}, {agent => one(text(), undef), shell_pid => one(undef, int rand 9999),
				shell_pid_created_at => one(undef, 't')}),
		maybe(4, review_result => {reviewer => 'r', verdict => 'approved', reference => text() || 'x'})};
}

sub note {
	my %delta = (maybe(3, note => text()), maybe(4, release_runtime_claim => JSON::PP::true),
		maybe(3, subtasks => {map { sprintf('T%03d', rand 4) => one('done', 'planned') } 1 .. 2}),
		maybe(3, one('tracker_refs', 'tracker_refs_replace') => [map { one('#1', '#2', '#9') } 1 .. 3]),
		maybe(4, review => {map { $_ => one('', 'v') } qw(actor at reason wp_id)}),
		map { maybe(6, $_ => $_ eq 'shell_pid' ? int rand 99 : one('', 'v', text())) } @REPLACED);
	$delta{note} = 'n' unless %delta;
	return {kind => 'annotation', event_id => id(), wp_id => wp(), at => at(), actor => 'an', delta => \%delta};
}

sub retro {
	my $what = one(qw(requested completed skipped failed proposal.generated proposal.generated proposal.applied proposal.rejected));
	my $payload = $what eq 'requested'
		? {mode => {value => one('autonomous', 'human_in_command'), source_signal => {kind => 'environment', evidence => 'e'}}}
		: $what =~ /^proposal/ ? {} : {record_path => one('p', 'q')};
	return {event_id => id(), at => at(), event_name => "retrospective.$what", payload => $payload};
}

sub random_log {
	my @known;
	my $log = '';
	for (1 .. 1 + rand 40) {
		my $r = rand() < 0.55 ? move(\@known) : rand() < 0.8 ? note() : rand() < 0.5 ? retro()
			: one({event_type => 'Future', event_id => id()}, {type => 'RetrospectiveSkipped', at => 'x'});
		push @known, $r->{event_id} if defined $r->{to_lane};
		$log .= $row->encode($r) . one("\n", "\n", "\n", "\r\n", "\n\n");
	}
	return $log;
}

sub through {
	my ($program, $file, @logs) = @_;
	open my $out, '>:raw', $file or die "$file: $!\n";
	print {$out} length($_), "\n", $_ for @logs;
	close $out or die "$file: $!\n";
	open my $in, '-|:raw', $program, $file or die "$program: $!\n";
	my @answers;
	while (defined(my $len = <$in>)) {
		read($in, my $bytes, $len) == $len or die "$program ended early\n";
		push @answers, $bytes;
	}
	close $in or die "$program: exit ", $? >> 8, "\n";
	return @answers;
}

sub random_logs {
	my ($program, $count, $seed) = @_;
	my $file = "$ENV{TMPDIR}/logs";
	for (my $done = 0; $done < $count; $done += 500) {
		srand $seed + $done;
		my @logs    = map { random_log() } 1 .. ($count - $done < 500 ? $count - $done : 500);
		my @answers = through($program, $file, @logs);
		die "answers missing\n" unless @answers == @logs;
		for my $i (0 .. $#logs) {
			my $mine = reduce($logs[$i], {});
			next if $mine eq $answers[$i];
			die "seed ", $seed + $done, ", log $i:\n$logs[$i]\n--- second reducer\n$mine\n--- kitty\n$answers[$i]\n";
		}
	}
	print "$count random logs equal\n";
	return;
}

my ($what, @arguments) = @ARGV;
if (($what // '') eq 'vectors' && @arguments == 1) { vectors(@arguments) }
elsif (($what // '') eq 'random' && @arguments == 3) { random_logs(@arguments) }
else { die "usage: reduce.pl vectors DIR | random PROGRAM COUNT SEED\n" }
