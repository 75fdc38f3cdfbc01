import { describe, expect, test } from 'vitest';
import { DOOR_LIMITS } from '../protocol/door.ts';
import { DoorQuota } from './door-quota.ts';

const busy = expect.objectContaining({ code: 'busy' });

describe('DoorQuota', () => {
  test('limits the ports of one caller, whatever others have', () => {
    const quota = new DoorQuota();
    const back = Array.from({ length: DOOR_LIMITS.ports }, () => quota.takePort('a'));
    expect(() => quota.takePort('a')).toThrow(busy);
    quota.takePort('b');
    back[0]();
    back[0]();
    quota.takePort('a');
    expect(() => quota.takePort('a')).toThrow(busy);
  });

  test('limits the answers under way', () => {
    const quota = new DoorQuota();
    const back = Array.from({ length: DOOR_LIMITS.running }, () => quota.takeRun('a'));
    expect(() => quota.takeRun('a')).toThrow(busy);
    back[0]();
    quota.takeRun('a');
  });

  test('limits the messages of any minute, also across connections', () => {
    let time = 0;
    const quota = new DoorQuota(() => time);
    const giveBack = quota.takePort('a');
    for (let message = 0; message < DOOR_LIMITS.messagesPerMinute; message++) {
      quota.countMessage('a');
      time += 100;
    }
    expect(() => quota.countMessage('a')).toThrow(busy);
    giveBack();
    quota.takePort('b');
    quota.takePort('a');
    expect(() => quota.countMessage('a')).toThrow(busy);
    time = 60_000;
    quota.countMessage('a');
    expect(() => quota.countMessage('a')).toThrow(busy);
  });
});
