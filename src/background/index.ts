import { showDownloads } from './badge.ts';
import { openConsentWindows } from './consent.ts';
import { offerCompletion } from './context-menu.ts';
import { openDoors } from './doors.ts';
import { routePages } from './router.ts';

/*
 * The service worker. It routes and never computes; Chrome ends it after 30 idle seconds and nothing is lost. Listeners are
 * registered here, before the first await, or Chrome would not wake it for them.
 */
routePages();
openDoors();
openConsentWindows();
offerCompletion();
showDownloads();
